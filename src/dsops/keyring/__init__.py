"""The user's entries in the keyring: seeds of MFA devices, and long-term keys.

- `seeds` and `keys` return a seed, a code or a key for the name of an entry.
- `index` lists the entries without secrets. It tells a run quickly whether an entry exists, and in which backend.
- `items` selects a backend: `desktop`, `kernel`, `pass_store`, `one_password` or `sealed_file`.

Imported by `audit`, `cli`, `doctor`, `keys` and `stores`.
"""
