"""Authorize a signed request with `dsops.policy`, and return the details that a refused caller may read.

This package identifies the signer, computes the condition keys, and finds the applicable policies. It also encodes
authorization messages and implements the IAM Toolbox. `resources/` maps operations to actions and ARNs. Imported by
`cloudformation`, `cloudtrail`, `control`, `federation`, `functions`, `iam_api`, `identity_center`, `page`,
`roles_anywhere`, `services`, `sts` and `testing`.
"""
