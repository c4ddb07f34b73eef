"""HTTP bytes -> a routed request with typed parameters, and an answer -> the bytes of its protocol.

The server loop, routing, the readers and writers of AWS's five protocols, signatures, and what S3 adds to them. It
decides nothing about permissions and holds no state. Any room of the sandbox may import it.
"""
