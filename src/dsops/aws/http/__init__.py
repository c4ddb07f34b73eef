"""Signed HTTP requests: wire format, transports, retries, proxies, certificates, and AWS's refusals as dsops errors.

A request and credentials come in; an answer or a dsops error goes out. This package knows no API of AWS. It is
imported by `apis`, by `identity`, and by the code that runs the transfers.
"""
