"""What `dsops doctor` checks: files, network, agent, keyring, logins, base credentials, stores; and safe repairs.

In: a configuration, its plans and the runtime. Out: checks, each `ok`, `warning`, `failed` or `skipped`, and repairs.
A check is a file here, a row of `CODES` and a line of `examine`. Imported by `cli`.
"""
