"""The shell hook: code for bash, zsh and fish, and the commands that it evaluates near a `dsops.yaml`.

`loading` writes calls of shell functions that set variables, unset variables and watch files. It takes an
environment's values and the list of files that they depend on. Imported by `cli`.
"""
