"""Write the secrets of the stores whose type has `is_writable`: one module per service.

The input is a plan step, a key and credentials; the output is a `WritableSecret`. The modules of the store types import
this folder only when a secret is written.
"""
