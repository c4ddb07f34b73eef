"""SAML responses: parsed, verified against a provider's metadata, and issued by the sandbox's own provider.

Takes XML; returns a verified assertion or raises STS's error. Imported by `federation`, `iam_api`,
`identity_center`, `seed` and `control`.
"""
