"""The commands that use an environment's values: `exec`, `get`, `render`, `credentials`; and `agent`.

Begin reading with `exec.py`, which contains all steps from configuration to process. The input is the name of an
environment or store; the output is a running command, or values on stdout or in a file. `cli` loads this package by
the table of commands; no other package imports it.
"""
