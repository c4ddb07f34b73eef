"""The IAM policy language: documents, statements, wildcards, condition operators, policy variables, principals.

Policy text comes in; compiled policies go out, or problems with their lines. Imports `document` and nothing else of
dsops but its values; the other rooms of `policy` import it.
"""
