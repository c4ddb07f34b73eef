"""AWS's APIs, one file per service and one function per action: credentials and arguments in, values out.

Imported by `access`, `audit`, `cli`, `doctor`, `explain`, `keys`, `node`, `plan_check`, `revocation`, `sso_accounts`,
`sso_login`, `stores` and `testing`.
"""
