"""`dsops hook` and what a shell runs at each prompt: the code for bash, fish and zsh, loading, and what is unset again.

A shell's environment and folder come in; shell code goes out. `dsops.cli` alone imports it.
"""
