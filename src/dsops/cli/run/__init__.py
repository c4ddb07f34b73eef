"""The commands that use an environment's values: `exec`, `get`, `render`, `credentials`; and `agent`.

Begin with `exec.py`: it contains all steps from configuration to process. In: the name of an environment or store.
Out: a running command, or values on stdout or in a file. `cli` loads it by the table of commands; no other room
imports it.
"""
