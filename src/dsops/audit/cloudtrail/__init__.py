"""Questions to CloudTrail's logs about roles and sessions, defined once for DuckDB and Athena.

    logs -> records -> calls (each once) -> issues (calls that issue sessions) -> answers

docs/reference/audit-report.md defines each of these, and lists the questions.
"""
