"""`dsops sandbox` and its subcommands: serve a local AWS, and ask it for keys, tokens, decisions and events.

The input is a seed, or the address of a running sandbox. The output is a server, variables for a shell, or records as
text. `cli` loads this package by the table of commands; no other package imports it.
"""
