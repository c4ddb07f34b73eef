"""Exchange an identity provider's token or assertion for a role session; the sandbox's own token issuers.

Imported by `identity_center`, `seed` and `control`.
"""
