"""Sources of base credentials: environment, profiles, containers, instances, and IAM Identity Center logins.

A client's environment and folder come in; credentials or an error go out. botocore is only used in a child process.
Imported by `agent`, `apis`, `aws_config`, `cli`, `doctor`, `explain`, `pipeline`, `resolve`, `seed`,
`sso_login` and `stores`.
"""
