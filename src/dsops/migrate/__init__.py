"""Migration of an original dsops configuration: its text is rewritten line by line; comments and order stay.

In: the file and the store types. Out: the new text, the changes with their lines, and a difference without secrets.
Imported by `cli`.
"""
