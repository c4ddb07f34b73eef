"""The guard of one command: its options, its variables for the command, its audit records, and its end.

In: the store's session and the policies. Out: environment variables for the command, and an attendant for the loop that
watches it. `running` puts the parts together. The commands that run programs import this package.
"""
