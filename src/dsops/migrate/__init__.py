"""Migrate an original dsops configuration: rewrite its text line by line, keeping comments and order.

The input is the file and the store types. The output is the new text, the changes with their lines, and a diff
without secrets. Imported by `cli`.
"""
