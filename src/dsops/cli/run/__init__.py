"""Commands that carry an environment out: `exec`, `get`, `render`, `credentials`, and the agent that keeps sessions.

`exec.py` reads as the sentence that dsops is; begin there.
"""
