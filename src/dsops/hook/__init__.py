"""The shell hook: code for bash, zsh and fish, and the commands that it evaluates near a `dsops.yaml`.

`loading` turns the values of an environment, and the list of files that they depend on, into calls of shell functions
that set variables, unset variables and watch files. Imported by `cli`.
"""
