"""Questions about roles and sessions to CloudTrail's logs, defined once for DuckDB, Athena and Trino.

logs -> records -> calls (each once) -> issues (calls that issue sessions) -> answers

The input is log files or a table of an engine, the output an `AuditReport`. docs/reference/audit-report.md defines
these terms, and lists the questions. Imported by `cli`, `page` and `preparing`.
"""
