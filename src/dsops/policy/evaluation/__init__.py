"""A request and compiled policies -> the decision that AWS makes. Pure.

Also its reasons, and the sentence with which AWS refuses. Imported by `simulation` and `sandbox`; others import its
names from `dsops.policy`.
"""
