"""IAM Identity Center: its directory, the sign-in service, the access portal, and the pages where a person signs in.

HTTP requests come in; tokens and role credentials go out. Imported by `control` and `seed`.
"""
