"""The state of the sandbox: accounts, sessions, moto's backends, and the gate for every call to moto.

No other package uses moto. This package receives parsed, authorized requests and returns moto's answers, corrected to
match AWS. Imported by every package of the sandbox above this one.
"""
