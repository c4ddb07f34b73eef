"""Find who can do what in a whole organization: by which policies, through which roles, under which conditions.

`facts` has the accounts, users, roles, resources and their policies, read from files or templates.
`questions` answers from it. Nothing here decides on its own: each answer is a decision of `dsops.policy`, with the
request that shows it. The package opens no socket and starts no process; callers pass in functions that do. Imported
by `access_proof` and `cli`.
"""
