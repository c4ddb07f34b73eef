"""Explains why AWS refused a call: which policy, statement and element refused, as far as they can be read.

The input is a plan, its trial run or an error message, and the credentials of its chain. The output is
`RefusalFinding`s. A policy question is: would AWS allow this caller to perform this action on this resource?

There are three packages. Each imports only the packages listed before it:

- `questions` turns the failed call into the policy questions that AWS evaluated.
- `evidence` reads the policies and records that answer them.
- `findings` determines the policy that refused, its cause and its remedy.

`finding.py` defines the result types. `cli` and `plan_check` import this package.
"""
