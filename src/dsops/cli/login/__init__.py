"""Commands about who the user is: `login`, `logout`, `mfa`, `keys`, `console`, `revoke`."""
