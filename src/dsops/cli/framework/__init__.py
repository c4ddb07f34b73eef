"""What every command is made of: command lines as data, help, completion, output, prompts, progress.

Also the runtime of a real process and the audit record of a command. Imported by all commands; imports none of them.
"""
