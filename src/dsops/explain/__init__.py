"""A refusal by AWS -> its reasons: the policy, the statement and the element that refused, as far as they can be read.

A plan, its trial run or an error message, and the keys of its chain come in; `RefusalFinding`s go out. Rooms, each of
which imports only those before it: `questions` (the failed call -> the questions that AWS put to policies),
`evidence` (the policies and records that answer them), `findings` (the broken place, its cause, its remedy).
`finding.py` holds the values. `cli` and `plan_check` import it.
"""
