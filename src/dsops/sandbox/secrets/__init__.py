"""Secrets Manager and Parameter Store: reading secrets, checks before writes, and their storage.

Imported by `control`, `seed` and the packages that look up resource policies.
"""
