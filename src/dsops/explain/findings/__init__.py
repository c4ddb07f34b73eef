"""Turns policy questions and their answers into findings: which policy refused, how certainly, the cause, the remedy.

The input is the failures of a plan, the output is `RefusalFinding`s. Imports `explain.evidence` and
`explain.questions`; `cli` imports it.
"""
