"""`dsops hook` prints the code of a shell hook; `dsops hook-load` prints what the hook evaluates in a folder.

Input: a shell's environment and folder; output: shell code. Only `dsops.cli` imports this package.
"""
