"""The parts that all commands share: the declaration of a command, help, completion, output, prompts, progress.

`process_runtime` makes the runtime with this process's environment and terminal, and `project` loads configuration,
plan and values for the arguments. All commands import this package; it imports none of them.
"""
