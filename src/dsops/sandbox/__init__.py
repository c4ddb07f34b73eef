"""A local AWS that enforces signatures, trust policies, sessions, MFA and expiry as AWS does.

The sandbox does not depend on dsops' configuration or pipeline; `dsops.seed` connects them. The input is HTTP
requests, the output is HTTP responses. The packages, from top to bottom:

- `control`: server and dispatch
- `seed`
- `functions`: runs functions, and decides about deliveries between services
- `iam_api`, `identity_center` and `services`: the operations of the APIs
- `cloudtrail` and `federation`
- `saml`
- `sts`
- `authorization`
- `state`: includes moto, which performs all other operations
- `wire`: protocols and signatures
- `http` and `resource_policies`

Imported by `cli`, `functions`, `seed` and `testing`.
"""
