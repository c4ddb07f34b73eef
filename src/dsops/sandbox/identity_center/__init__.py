"""IAM Identity Center: its directory, the sign-in service, the access portal, and the sign-in pages.

Takes HTTP requests; returns tokens and role credentials. Imported by `control` and `seed`.
"""
