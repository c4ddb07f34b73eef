"""What `dsops doctor` checks: files, network, agent, keyring, logins, base credentials, stores; and safe repairs.

In: a configuration, its plans and the runtime. Out: checks, each `ok`, `warning`, `failed` or `skipped`, and repairs.
A check module has its codes beside its checks; `examination` calls it. Imported by `cli`.
"""
