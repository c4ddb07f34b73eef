"""A failed call -> the questions that AWS put to policies for it, with everything known of caller and context.

Steps of a plan and its sessions come in, `CaseQuestion`s go out, each with its unknown condition keys. Imports
neither `explain.evidence` nor `explain.findings`, which import it, as `plan_check` and `cli` do.
"""
