"""The user's entries in the keyring: seeds of MFA devices, and long-term keys.

`seeds` and `keys` return a seed, a code or a key for an entry's name. `index` lists the entries without secrets, so
that a run knows quickly whether an entry exists and which backend has it. `items` chooses among the backends:
`desktop`, `kernel`, `pass_store`, `one_password` and `sealed_file`. Imported by `audit`, `cli`, `doctor`, `keys` and
`stores`.
"""
