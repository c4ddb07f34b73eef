"""What every command is made of: command lines as data, help, completion, output, prompts, progress.

Also the runtime of a real process, and the steps from arguments to configuration, plan and values (`project`). Imported
by all commands; imports none of them.
"""
