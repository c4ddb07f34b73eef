"""Explains a refusal by AWS: the policy, the statement and the element that refused, as far as they can be read.

The input is a plan, its trial run or an error message, and the keys of its chain; the output is `RefusalFinding`s.
The packages, each of which imports only those before it: `questions` (the failed call -> the questions that AWS put
to policies), `evidence` (the policies and records that answer them), `findings` (the policy that refused, its cause,
its remedy). `finding.py` holds the values. `cli` and `plan_check` import it.
"""
