"""AWS's APIs, one file a service and one function an action: credentials and arguments in, values out.

Imported by stores, `explain`, `doctor`, `audit` and commands.
"""
