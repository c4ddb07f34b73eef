"""Commands for logins, keys and sessions of the user: `login`, `logout`, `mfa`, `keys`, `console`, `revoke`."""
