"""Stand between a command and AWS: check each request against policies, then sign it with the real session.

The command gets placeholder keys that no AWS endpoint accepts. Its requests come in through a server on loopback, as an
endpoint (`AWS_ENDPOINT_URL`) or as an HTTPS proxy. What goes out is the request with the real session's signature, or
AWS's AccessDenied in the protocol of the request. `server` moves bytes, `gate` decides, and `exchange` has the types
between the two. This package imports neither the sandbox nor moto. The commands that run programs import it.
"""
