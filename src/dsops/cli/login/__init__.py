"""Commands for logins and keys: `login`, `logout`, `mfa`, `keys`, `console`, `revoke`."""
