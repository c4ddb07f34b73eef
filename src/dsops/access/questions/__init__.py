"""Answer questions from facts: who can do something, what a principal can do, and how a principal becomes another.

The input is `OrganizationFacts` and a question; the output is answers, each with a request that the policy engine has
decided. Imports `facts`; imported by the other folders of `access` and by `cli`.
"""
