"""CloudTrail: the record of each call, kept in memory and delivered to a folder of log files.

Imported by `control`, which records each call once it is answered, and by `identity_center` and `roles_anywhere`.
"""
