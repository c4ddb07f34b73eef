"""AWS STS: one file for each operation that issues credentials, and the sessions that it issues.

Receives a request with typed parameters; returns credentials or an identity. Imported by `control`, which dispatches
requests, and by the packages that need sessions or MFA codes.
"""
