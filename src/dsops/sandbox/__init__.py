"""A local AWS that enforces signatures, trust policies, sessions, MFA and expiry as AWS does.

It is a fake AWS, not a fake dsops: nothing here knows dsops' configuration or pipeline (`dsops.seed` connects the
two). HTTP requests come in, answers go out. Rooms, from the top: `control` (server and dispatch), `seed`; `iam_api`,
`identity_center` and `services` (what the APIs do); `cloudtrail` and `federation`; `saml`; `sts`; `authorization`;
`state` (with moto, which carries out all others); `wire` (protocols and signatures); `http` and `resource_policies`.
Imported by `cli`, `seed` and `testing`.
"""
