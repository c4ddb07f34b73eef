"""An operation that no module of `resources` describes -> its resources, by AWS's Service Authorization Reference.

Parameters come in; ARNs, condition keys and tags go out. Only `resources` imports it.
"""
