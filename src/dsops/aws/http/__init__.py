"""Signed HTTP requests: wire format, transports, retries, proxies and certificates, and refusals in dsops' words.

A request and credentials come in; an answer or a dsops error goes out. It knows no API of AWS. Imported by `apis`,
`identity`, and whoever drives transfers.
"""
