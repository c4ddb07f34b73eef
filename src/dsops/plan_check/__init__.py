"""Check a plan against policies: whether each hop and each read can work, before anything is deployed.

The input is a `Plan`, and policies from files or a sandbox. The output is a verdict for each hop, with the statements
that decide. The package joins `plan`, `policy`, `stores` and `explain.questions`; only `cli` imports it.
"""
