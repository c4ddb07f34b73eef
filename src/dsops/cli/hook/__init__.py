"""`dsops hook` and `dsops hook-load`: print the code for a shell, and what it evaluates in a folder.

A shell's environment and folder come in; shell code goes out. `dsops.cli` alone imports it.
"""
