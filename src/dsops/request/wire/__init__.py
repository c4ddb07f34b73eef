"""Convert HTTP requests to AWS operations with typed parameters, and results to answers in the same protocol.

This package contains the routing, the readers and writers of AWS's protocols, the verification of signatures, and
S3's additions to the protocols. It decides nothing about permissions and holds no state. Every package of the sandbox
above `http` may import it.
"""
