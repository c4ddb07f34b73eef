"""What a user has put into the keyring of the system: seeds of MFA devices, and long-term keys.

`index` lists the names without a secret, so that a run knows in a moment whether there is anything to ask for;
`items` fetches a secret itself, in a process of its own.
"""
