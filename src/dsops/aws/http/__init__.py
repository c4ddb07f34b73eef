"""Signed HTTP requests: wire format, transports, retries, proxies, certificates, and AWS's refusals as dsops errors.

A request and credentials come in; an answer or a dsops error goes out. This package defines no AWS API. Imported by
`apis`, `identity` and `sso_login`, and by the packages outside `aws` that run its transfers.
"""
