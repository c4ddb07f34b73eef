"""The IAM policy language: documents, statements, wildcards, condition operators, policy variables, principals.

The input is policy text; the output is compiled policies, or problems with their lines. It imports only `document`
and basic modules such as `arn` and `errors`. The other packages of `policy` import it.
"""
