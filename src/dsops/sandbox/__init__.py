"""A local AWS that enforces signatures, trust policies, sessions, MFA and expiry as AWS does.

No code here knows dsops' configuration or pipeline, which `dsops.seed` connects to the sandbox. The input is HTTP
requests, the output is HTTP answers. The packages, from the top: `control` (server and dispatch), `seed`; `iam_api`,
`identity_center` and `services` (what the APIs do); `cloudtrail` and `federation`; `saml`; `sts`; `authorization`;
`state` (with moto, which performs all other operations); `wire` (protocols and signatures); `http` and
`resource_policies`.
Imported by `cli`, `seed` and `testing`.
"""
