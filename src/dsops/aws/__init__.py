"""A thin AWS client: requests, signatures, retries and AWS's errors, independent of the configuration.

In: credentials, an endpoint and the arguments of an action. Out: values, or a dsops error. `http` sends requests,
`identity` finds base credentials, and `apis` defines the actions. Imported by `access`, `agent`, `audit`,
`aws_config`, `cli`, `doctor`, `explain`, `guard`, `keys`, `node`, `pipeline`, `plan_check`, `resolve`, `revocation`,
`secret_editing`, `seed`, `stores`, `testing` and `workload`.
"""
