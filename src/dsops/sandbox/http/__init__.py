"""HTTP requests and answers for a connection's bytes: the server loop and long polls.

Knows no AWS: a callable that is passed in answers each request. Any room of the sandbox may import this package.
"""
