"""A thin AWS client: requests, signatures, retries and AWS's errors. It does not know the configuration.

In: credentials, an endpoint and the arguments of an action. Out: values, or a dsops error. Inside, `http` sends,
`identity` finds base credentials, `apis` has the actions. Imported by `agent`, `audit`, `aws_config`, `cli`,
`doctor`, `explain`, `keys`, `pipeline`, `plan_check`, `resolve`, `revocation`, `secret_editing`, `seed`,
`stores` and `testing`.
"""
