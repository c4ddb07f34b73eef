"""Read policies from files: a sandbox's seed, a CloudFormation template, or the output of Terraform or IAM.

The input is the text of a file. The output is the users, roles, secrets and control policies in it, and the line of
each statement. The caller passes in the function that opens files. Imports `simulation` and `language`; others import
its names from `dsops.policy`.
"""
