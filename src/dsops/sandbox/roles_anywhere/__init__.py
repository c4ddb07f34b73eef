"""IAM Roles Anywhere: trust anchors, profiles and revocation lists, and sessions for holders of a certificate.

A request for a session is signed with the key of an X.509 certificate; the sandbox verifies the signature and the
certificate's chain. Imported by `sandbox.control` and `sandbox.seed`.
"""
