"""`dsops audit` and its subcommands: the audit trail, its receivers, reports on CloudTrail logs, and SQL."""
