"""Calls of CloudTrail's logs and facts -> permissions that were not used, and policies without them.

calls (`calls`, with names by `catalogue`) -> kept actions (`kept`, `unlogged`) -> policies (`tighten`) -> `proof`

Nothing here reads logs or knows a database: the calls come in as rows. Imports `facts` and `questions`; imported by
`cli`.
"""
