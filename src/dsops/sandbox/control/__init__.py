"""The assembled sandbox: a request is authenticated, authorized, carried out and recorded here.

The package also has the control endpoints (`/_sandbox/...`) and the server, and starts, fills and finds sandboxes.
Only packages outside the sandbox may import this package; no other package of the sandbox may.
"""
