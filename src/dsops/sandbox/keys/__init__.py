"""KMS keys: looked up and made, the policies that AWS gives them, and the refusals of services that use them.

Imported by `secrets`, `seed` and `authorization`.
"""
