"""A local AWS that says no as AWS does: signatures, trust policies, sessions, MFA and expiry are enforced.

It is a fake AWS, not a fake dsops: nothing in here knows dsops' configuration or pipeline (`dsops.seed` joins the two).
A request's way: server -> route -> signature -> caller -> authorize -> sts here, everything else rebuilt for moto.
"""
