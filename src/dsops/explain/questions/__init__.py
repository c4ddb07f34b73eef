"""Turns a failed call into the policy questions that AWS evaluated, with everything known of caller and context.

The input is steps of a plan and their sessions; the output is `CaseQuestion`s, each with its unknown condition keys.
Imports neither `explain.evidence` nor `explain.findings`, which import it, as `plan_check` and `cli` do.
"""
