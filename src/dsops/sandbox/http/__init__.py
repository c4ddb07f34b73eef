"""A small HTTP server: the server loop, requests and answers, and long polls.

This package does not depend on AWS: it receives a callable that answers each request. Every other package of the
sandbox may import it.
"""
