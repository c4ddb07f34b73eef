"""Questions and their answers -> findings: the place that refused, how sure that is, its cause and its remedy.

The failures of a plan come in, `RefusalFinding`s go out. Imports `explain.evidence` and `explain.questions`; `cli`
imports it.
"""
