"""Configuration -> plan -> secrets and sessions, written to the audit trail: the one place that joins these steps.

Input: a Runtime and what the caller names (a file, an environment, a store). Output: the Config, its Plan, and the
secrets or the session, after the record of the run is on the audit trail.

Imported by `agent`, `cli` and `library`.
"""
