"""AWS STS: one module for each operation that issues credentials, and the sessions that are issued.

Receives a request with typed parameters; returns credentials or an identity. Imported by `control`, which dispatches
requests, and by the packages that need sessions or MFA codes.
"""
