"""Policies from files: a sandbox's seed, a CloudFormation template, Terraform's and IAM's own listings.

The text of a file comes in; the users, roles, secrets and control policies it describes go out, each statement with
its line. Pure: what opens a file is passed in. Every room above may import it.
"""
