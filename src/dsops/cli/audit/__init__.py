"""`dsops audit` and its subcommands: the audit trail, its receivers, reports on CloudTrail logs, and SQL.

In: files of the trail or of CloudTrail, or answers of Athena. Out: text, JSON or HTML. `cli` loads it by the table of
commands; no other room imports it.
"""
