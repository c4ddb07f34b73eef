"""The commands for logins, keys and sessions: `login`, `logout`, `mfa`, `keys`, `console`, `revoke`."""
