"""Evidence about a refusal: policies attached to users and roles, an organization's policies, AWS's own record.

The input is policy questions and the credentials of a chain, or files. The output is policies, or the reason why they
could not be read. Imports `explain.questions`; `explain.findings`, `plan_check` and `cli` may import it.
"""
