"""Signed HTTP requests: wire format, transports, retries, proxies, certificates, and AWS's refusals as dsops errors.

A request and credentials come in; an answer or a dsops error goes out. This package knows no API of AWS. Imported
by `apis`, `identity` and `sso_login`, and outside `aws` by the rooms that run its transfers.
"""
