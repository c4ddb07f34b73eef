"""AWS STS: one file for each operation that issues credentials, and the sessions that they make.

A request with typed parameters comes in; credentials or an identity go out. Imported by `control`, which dispatches
requests, and by the rooms that need sessions or MFA codes.
"""
