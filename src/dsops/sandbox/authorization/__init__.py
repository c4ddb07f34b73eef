"""Authorize a signed request with `dsops.policy`, and the details that a refused caller may read.

Who signed the request, its condition keys, the applicable policies; encoded authorization messages and the IAM
Toolbox. `resources/` maps operations to actions and ARNs. Imported by `cloudtrail`, `control`, `federation`, `iam_api`,
`identity_center`, `services`, `sts` and `testing`.
"""
