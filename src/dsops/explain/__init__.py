"""Explains a refusal by AWS: the policy, the statement and the element that refused, as far as they can be read.

The input is a plan, its trial run or an error message, and the keys of its chain; the output is `RefusalFinding`s.
A policy question is: would AWS allow this caller to perform this action on this resource? There are three packages,
each of which imports only those before it. `questions` turns the failed call into the policy questions that AWS
evaluated; `evidence` reads the policies and records that answer them; `findings` determines the policy that refused,
its cause and its remedy. `finding.py` holds the values. `cli` and `plan_check` import it.
"""
