"""An HTTP request -> an AWS operation with typed parameters, and a result -> the answer in its protocol.

Routing, the readers and writers of AWS's protocols, signatures, and what S3 adds to them. It decides nothing about
permissions and holds no state. Any room of the sandbox above `http` may import it.
"""
