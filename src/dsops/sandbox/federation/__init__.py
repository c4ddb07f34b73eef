"""Exchange an identity provider's token or assertion for a role session; sign tokens of the sandbox's issuers.

Imported by `identity_center`, `seed` and `control`.
"""
