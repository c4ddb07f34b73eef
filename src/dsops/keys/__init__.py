"""Long-term keys of IAM users that the keyring stores: read, add, rotate, delete.

The input is a key as text, or a keyring entry and credentials. The output is entries of the keyring's list, and
keys that IAM has created, deactivated or deleted. Imported by `cli`.
"""
