"""Find principals that can make themselves more than they are.

Input: an `Evaluator` and the rules in `table.py`; output: escalations, each with the policy engine's answer to every
request that it needs. Imports `facts` and `questions`; imported by `cli`.
"""
