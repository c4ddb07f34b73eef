"""What CloudTrail's logs say of roles and sessions: questions, defined once, for DuckDB, Athena and CloudTrail Lake.

    logs -> records -> calls (each once) -> issues (calls that issue sessions) -> answers

docs/reference/audit-report.md says in words what each of these is, and what is asked.
"""
