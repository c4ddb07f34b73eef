"""Determine resources from AWS's Service Authorization Reference, for services without a module of their own.

The input is parameters; the output is ARNs, condition keys and tags. Imported by `resources` only.
"""
