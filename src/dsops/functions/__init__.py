"""Run Lambda functions of the sandbox as processes of this machine.

Input: a function's package, configuration, event and session credentials. Output: the response, or the error that
Lambda would report, and the log. The sandbox starts a run through `dsops.sandbox.functions.run.FunctionHost`; only
the commands of `dsops sandbox` import this room.
"""
