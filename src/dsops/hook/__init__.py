"""The shell hook: code for bash, zsh and fish, and what it evaluates in a folder with a `dsops.yaml`.

In: the values of an environment, and the files that they depend on. Out: calls of shell functions that set, unset and
watch. Imported by `cli`.
"""
