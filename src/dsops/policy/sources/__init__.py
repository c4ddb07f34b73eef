"""Read policies out of files: a sandbox's seed, a CloudFormation template, Terraform's and IAM's own listings.

The text of a file comes in; the users, roles, secrets and control policies that it describes go out, each statement
with its line. What opens a file is passed in. Imports `simulation` and `language`; others import its names from
`dsops.policy`.
"""
