"""A seed file -> a checked model -> the world of a sandbox.

YAML text comes in; users, roles, policies, secrets and an organization are planted through `state`. Imported by
`control`, which starts sandboxes, and by `dsops.seed`, which makes seeds of configurations.
"""
