"""A plan and the policies that bear on it -> whether each hop and each read can work.

A `Plan` and the policies from files or a sandbox come in; a verdict for each hop goes out, with the statements that
decide. Stands above `plan`, `policy`, `stores` and `explain.questions`, which it joins; only `cli` imports it.
"""
