"""The user's entries in the system keyring: seeds of MFA devices, and long-term keys.

The name of an entry comes in; a seed, a code or a key goes out. `index` lists the names without secrets, so that a run
knows quickly whether the keyring has an entry for it; `items` fetches a secret in a separate process. Imported by
`cli`, `doctor`, `keys` and `stores`.
"""
