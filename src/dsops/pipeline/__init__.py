"""Runs the steps configuration -> plan -> secrets and sessions, and writes the audit trail.

The input is a Runtime, and the file, environment or store that the caller selects. The output is the Config, its Plan,
and the secrets or the session. Secrets and sessions are returned only after the audit trail contains the run. Imported
by `agent`, `cli`, `library` and `node`.
"""
