"""The commands that use an environment's values: `exec`, `get`, `render`, `credentials`; and `agent`.

Begin with `exec.py`: it contains all steps from configuration to process.
"""
