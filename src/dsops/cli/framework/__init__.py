"""The parts that all commands share: command lines as data, help, completion, output, prompts, progress.

Also the runtime of a real process, and the steps from arguments to configuration, plan and values (`project`). All
commands import it; it imports none of them.
"""
