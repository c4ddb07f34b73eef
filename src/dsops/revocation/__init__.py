"""Revoking a role's sessions: the policy that denies everything to older ones, and its attachment to the role.

In: a role's ARN, a time and credentials that may change the role. Out: the policy, attached through IAM. Imported by
`cli`.
"""
