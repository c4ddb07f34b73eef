"""Commands for logins, keys and sessions of the user: `login`, `logout`, `mfa`, `keys`, `console`, `revoke`.

The input is what the user types, and the user's configuration. The output is entries in the keyring and the login
cache, a link to the console, or a policy on a role. `cli` loads this package by the table of commands; no other
package imports it.
"""
