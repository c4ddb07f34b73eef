"""The assembled sandbox: a request is authenticated, authorized, carried out and recorded here.

Also its control endpoints (`/_sandbox/...`), its server, how a seed fills it, and how a sandbox is started and found.
Only rooms outside the sandbox import this package; no other package of the sandbox may.
"""
