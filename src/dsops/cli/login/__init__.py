"""Commands for logins, keys and sessions of the user: `login`, `logout`, `mfa`, `keys`, `console`, `revoke`.

In: what the user types, and the user's configuration. Out: entries in the keyring and the login cache, a link to the
console, a policy on a role. `cli` loads it by the table of commands; no other room imports it.
"""
