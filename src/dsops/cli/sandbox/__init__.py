"""`dsops sandbox` and its family: a local AWS served, used, asked for tokens and decisions."""
