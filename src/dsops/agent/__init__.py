"""The agent: keeps sessions in memory and carries out the pipeline for clients of its socket; and its client.

In come a client's environment and its command line (`client`) or a request (`messages`); out go the environment of a
command, values or a session. Nothing is on disk. Also renews and serves the session of a running command (`renewal`,
`serve`). `cli`, `doctor`, `testing` and `__main__` may import it; what it needs of the command line is
passed in (`command_lines`).
"""
