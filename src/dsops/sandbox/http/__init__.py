"""HTTP requests and answers for a connection's bytes: the server loop and long polls.

This package knows nothing of AWS: a callable that it receives answers each request. Every other package of the
sandbox may import it.
"""
