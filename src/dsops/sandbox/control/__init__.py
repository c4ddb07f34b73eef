"""The sandbox as a whole: a request is authenticated, authorized, carried out and recorded here.

Also its own endpoints (`/_sandbox/...`), its clock, its limits, and how it is started and found. `dsops.cli.sandbox`
and `dsops.testing` import it; no other room of the sandbox may.
"""
