"""A configuration of the original dsops -> one of this one, line by line, so that comments and order stay; pure."""
