"""The state of the sandbox: accounts, sessions, moto's backends, and the fence through which every call to moto goes.

The only room that knows moto. Parsed and allowed requests come in; moto's answers go out, corrected to AWS's answers.
Imported by every room above it.
"""
