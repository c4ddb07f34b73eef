"""The user's entries in the system keyring: seeds of MFA devices, and long-term keys.

`seeds` and `keys` return a seed, a code or a key for an entry's name. `index` lists the names without secrets, so
that a run quickly knows whether an entry exists; `items` fetches a secret in a separate process. Imported by `cli`,
`doctor`, `keys` and `stores`.
"""
