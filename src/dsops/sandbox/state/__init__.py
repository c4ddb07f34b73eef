"""The state of the sandbox: accounts, sessions, moto's backends, and the fence through which every call to moto goes.

The only room that knows moto. Requests come in that were parsed and allowed; moto's answers go out, corrected to AWS's.
Imported by every room above it.
"""
