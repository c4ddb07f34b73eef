"""`dsops audit` and its subcommands: the audit trail, its receivers, reports on CloudTrail logs, and SQL.

The input is files of the trail or of CloudTrail, or results of Athena. The output is text, JSON or HTML. `cli` loads
this package by the table of commands; no other package imports it.
"""
