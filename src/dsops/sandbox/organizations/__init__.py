"""AWS Organizations: membership of accounts, control policies, and the checks of its API.

Imported by `authorization`, `control` and `seed`.
"""
