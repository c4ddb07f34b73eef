"""Bytes of a connection -> an HTTP request, and an answer -> bytes: the server loop and long polls.

It knows no AWS: a callable that is passed in answers each request. Any room of the sandbox may import it.
"""
