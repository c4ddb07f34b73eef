"""The IAM policy language: documents and statements read and compiled, wildcards, operators, variables, principals.

Policy text comes in; compiled policies or problems with lines go out. Pure.
"""
