"""Long-term keys of IAM users that the system's keyring stores: read, add, rotate, delete.

In: a key as text, or the keyring's entry of one, and credentials. Out: entries of the keyring's list, and keys that IAM
has created, deactivated or deleted. Imported by `cli`.
"""
