"""Proofs that another party signed -> a role's session: web identity tokens, and the issuers that sign them.

Imported by `control`, and by `sts` for what a verified proof says.
"""
