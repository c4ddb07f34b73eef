"""Read policies from files: a sandbox's seed, a CloudFormation template, output of Terraform or of IAM.

The input is the text of a file. The output is the users, roles, secrets and control policies that the file describes;
each statement has its line. The function that opens files is passed in. Imports `simulation` and `language`; others
import its names from `dsops.policy`.
"""
