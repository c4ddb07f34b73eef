"""`dsops sandbox` and its subcommands: serve a local AWS, and ask it for keys, tokens, decisions and events.

In: a seed, or the address of a running sandbox. Out: a server, variables for a shell, or records as text. `cli` loads
it by the table of commands; no other room imports it.
"""
