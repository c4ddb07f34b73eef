"""Wire formats: HTTP bytes -> a routed request with typed parameters, and an answer -> bytes of its protocol.

The server loop, routing, the readers and writers of AWS's five protocols, signatures, and S3's additions to them.
Decides no permissions and holds no state. Any package of the sandbox may import it.
"""
