"""Runs the steps configuration -> plan -> secrets and sessions, and writes the audit trail.

Input: a Runtime and what the caller names (a file, an environment, a store). Output: the Config, its Plan, and the
secrets or the session. They are returned only after the run is recorded in the audit trail.
Imported by `agent`, `cli` and `library`.
"""
