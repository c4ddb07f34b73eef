"""Evidence about a refusal: policies attached to users and roles, an organization's policies, AWS's own record.

The input is policy questions and the keys of a chain, or files; the output is policies, or the reason why they could
not be read. Imports `explain.questions`; `explain.findings`, `plan_check` and `cli` may import it.
"""
