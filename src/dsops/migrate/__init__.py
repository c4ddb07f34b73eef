"""Migration of an original dsops configuration: rewrites its text line by line; comments and order stay.

In: the file and the store types. Out: the new text, the changes with their lines, and a diff without secrets.
Imported by `cli`.
"""
