"""AWS's APIs, one file per service and one function per action: credentials and arguments in, values out.

Imported by stores, `explain`, `doctor`, `audit` and commands.
"""
