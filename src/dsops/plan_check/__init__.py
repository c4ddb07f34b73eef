"""Check a plan against policies: whether each hop and each read can work, before anything is deployed.

A `Plan` and the policies from files or a sandbox come in; a verdict for each hop goes out, with the statements that
decide. Stands above `plan`, `policy`, `stores` and `explain.questions`, which it joins; only `cli` imports it.
"""
