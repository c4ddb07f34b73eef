"""The agent keeps sessions in memory and runs the pipeline for clients of its socket.

This package also contains the agent's client.

Input: a client's environment with its command line (`client`) or a request (`messages`). Output: the environment of a
command, values, or a session. Nothing is written to disk. The package also renews and serves the session of a running
command (`renewal`, `serve`). `cli`, `doctor`, `testing` and `__main__` may import it; the parser of command lines is
passed in (`command_lines`).
"""
