"""Try in a sandbox what `dsops access` answers: build the facts there, and make the calls of an escalation.

Input: facts and an escalation; output: a proof with each call and its result. Only `cli` imports this package, because
`dsops.access` only computes and does not know the sandbox.
"""
