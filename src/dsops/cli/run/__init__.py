"""The commands that carry out an environment: `exec`, `get`, `render`, `credentials`; and `agent`.

`exec.py` reads as the sentence that dsops is; begin there.
"""
