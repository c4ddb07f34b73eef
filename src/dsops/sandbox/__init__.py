"""A local AWS that enforces signatures, trust policies, sessions, MFA and expiry as AWS does.

It is a fake AWS, not a fake dsops: nothing here knows dsops' configuration or pipeline (`dsops.seed` connects the
two). A request passes server -> route -> signature -> caller -> authorize; STS operations are implemented here, all
others are rebuilt as requests to moto.
"""
