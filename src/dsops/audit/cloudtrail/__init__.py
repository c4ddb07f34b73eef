"""Questions to CloudTrail's logs about roles and sessions, defined once for DuckDB and Athena.

    logs -> records -> calls (each once) -> issues (calls that issue sessions) -> answers

Log files or a table of Athena come in; an `AuditReport` goes out. docs/reference/audit-report.md defines each of these,
and lists the questions. Imported by `cli` and `page`.
"""
