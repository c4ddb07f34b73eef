"""Invoke Lambda functions under their role, and deliver messages between services with the permissions AWS asks for.

Input: authorized requests to Lambda, and the deliveries that moto is about to make. Output: responses, log events, and
decisions about each delivery. Functions run on a `FunctionHost`, which the room `dsops.functions` implements.
Imported by `control` and `functions`.
"""
