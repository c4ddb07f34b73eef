"""A call -> the record that CloudTrail keeps of it, in memory and in a folder of log files.

Imported by `control`, which records each call once it is answered.
"""
