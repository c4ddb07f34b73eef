"""The user's entries in the system keyring: seeds of MFA devices, and long-term keys.

`index` lists the names without secrets, so that a run knows quickly whether the keyring has an entry for it; `items`
fetches a secret in a separate process.
"""
