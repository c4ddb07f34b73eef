"""Compare two states of an organization: which access a change opens, and which it closes.

The input is `OrganizationFacts` from before and after a change; the output is a `Comparison`, with a way as evidence
for each difference. Imports `facts`, `questions` and `escalations`; imported by `cli`.
"""
