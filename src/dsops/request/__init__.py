"""Read any AWS request: service, operation and parameters, then the actions, resources and condition keys to authorize.

The input is an HTTP request; the output is authorization questions. What a service knows about its own resources comes
from lookups (`lookups`), which the caller implements. Nothing here knows moto, holds state, or opens a connection. The
sandbox and the guard import this package.
"""
