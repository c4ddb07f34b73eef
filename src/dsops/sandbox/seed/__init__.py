"""Seed files: parsed, checked, and planted into a sandbox's world.

Reads YAML; creates users, roles, policies, secrets and an organization through `state`. Imported by `control`, which
starts sandboxes, and by `dsops.seed`, which generates seeds from configurations.
"""
