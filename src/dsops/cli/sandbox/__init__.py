"""`dsops sandbox` and its subcommands: serve a local AWS, and ask it for keys, tokens, decisions and events."""
