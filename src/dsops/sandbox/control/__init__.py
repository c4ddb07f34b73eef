"""The assembled sandbox: a request is authenticated, authorized, carried out and recorded here.

The package also has the control endpoints (`/_sandbox/...`) and the server, and starts, fills and finds sandboxes.
Packages outside the sandbox may import this package. Other packages of the sandbox must not import it.
"""
