"""Configuration -> plan -> secrets and sessions, on the audit trail: put together here, once.

In comes a Runtime and what the caller names: a file, an environment, a store. Out come the Config, its Plan, and the
secrets or the session, once what was done is written to the audit trail. `cli`, `agent`, `library` and `doctor` may
import it; it asks and prints nothing, and knows no command line.
"""
