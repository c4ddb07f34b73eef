"""Exchange an identity provider's token or assertion for a role session; the sandbox's own token issuers.

Imported by `control`, and by `sts` for the content of a verified proof.
"""
