"""KMS keys: lookup and creation, AWS's default policies, and the errors of services that use keys.

Imported by `secrets`, `seed` and `authorization`.
"""
