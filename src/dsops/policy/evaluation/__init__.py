"""Evaluate a request against compiled policies: the decision that AWS makes. Pure.

Also returns the reasons for a decision, and AWS's error message for a denial. Imported by `simulation` and `sandbox`;
others import its names from `dsops.policy`.
"""
