"""Determine resources by AWS's Service Authorization Reference, if no other module of `resources` does.

Parameters come in; ARNs, condition keys and tags go out. Only `resources` imports it.
"""
