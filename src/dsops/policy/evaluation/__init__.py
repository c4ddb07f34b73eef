"""Evaluate a request against compiled policies: return the decision that AWS makes. Does no I/O.

The package also returns the reasons for a decision, and AWS's error message for a denial. Imported by `simulation`
and `sandbox`; others import its names from `dsops.policy`.
"""
