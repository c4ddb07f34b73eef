"""SAML responses: read, verified against a provider's metadata, and issued by a provider of the sandbox's own.

XML comes in; a verified assertion goes out, or STS's own refusal. Imported by `federation`, `control` and `seed`.
"""
