"""Where base credentials come from: environment, profiles, containers, instances, and logins to IAM Identity Center.

A client's environment and folder come in; credentials or a reason go out. botocore is used in a process of its own
only.
"""
