"""The assembled sandbox: a request is authenticated, authorized, carried out and recorded here.

Also its control endpoints (`/_sandbox/...`), its clock, its rate limits, and how a sandbox is started and found. Only
`dsops.cli.sandbox` and `dsops.testing` import this package; no other package of the sandbox may.
"""
