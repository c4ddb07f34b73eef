"""CloudFormation in the sandbox: stacks whose resources are created by ordinary, authorized calls.

moto would create a template's resources without checking permissions, so it is not used. For each resource this package
makes the API calls that AWS's resource handler makes, as the stack's service role or, without one, as the client that
sent the request. It receives authorized requests and returns results. Imported by `control`, which performs the calls.
"""
