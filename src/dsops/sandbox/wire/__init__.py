"""Convert HTTP requests to AWS operations with typed parameters, and results to answers in the same protocol.

Routing, the readers and writers of AWS's protocols, signatures, and S3's additions to them. This package decides
nothing about permissions and holds no state. Any room of the sandbox above `http` may import it.
"""
