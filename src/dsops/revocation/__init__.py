"""Revoke a role's sessions: attach a policy to the role that denies everything to its older sessions.

The input is a role's ARN, a time, and credentials that may change the role. The output is the policy, attached
through IAM. Imported by `cli`.
"""
