"""Turns a failed call into the policy questions that AWS evaluated, with all known facts about the call.

The input is steps of a plan and their sessions; the output is `CaseQuestion`s, each with its unknown condition keys.
Imported by `explain.evidence`, `explain.findings`, `plan_check` and `cli`; imports none of them.
"""
