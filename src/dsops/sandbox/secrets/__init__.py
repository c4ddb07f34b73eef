"""Secrets Manager and Parameter Store: reading secrets, the checks before a write, and the storage behind both.

Imported by `control`, `seed` and the rooms that look up a resource's policy.
"""
