"""The assembled sandbox: a request is authenticated, authorized, carried out and recorded here.

The package also has the control endpoints (`/_sandbox/...`) and the server, fills a sandbox from a seed, starts
sandboxes and finds running ones. Only rooms outside the sandbox import this package; no other package of the sandbox
may.
"""
