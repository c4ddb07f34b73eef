"""AWS's own addresses, connected to a sandbox: for clients without a setting for another endpoint.

A proxy on loopback whose tunnels all end at a TLS server with a certificate for AWS's names; requests are handed to
the
sandbox unchanged, `Host` included.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

from tests.stubs.authority import make_authority
from tests.stubs.proxy import StubProxy
from tests.stubs.server import Answer, Seen, StubServer

_NAMES = ("*.us-east-1.amazonaws.com", "*.amazonaws.com", "portal.sso.us-east-1.amazonaws.com")
_SECONDS = 30


@contextmanager
def amazon(url: str, folder: Path) -> Iterator[dict[str, str]]:
    """Variables that lead a client through the proxy to the sandbox at `url`, and make it trust the certificate."""

    def hand_over(seen: Seen) -> Answer:
        address = urlsplit(url)
        connection = HTTPConnection(address.hostname or "", address.port, timeout=_SECONDS)
        connection.putrequest(seen.method, seen.target, skip_host=True, skip_accept_encoding=True)
        for name, value in seen.headers:
            connection.putheader(name, value)
        connection.endheaders(seen.body)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        kept = tuple((name, value) for name, value in answer.getheaders() if name.lower() not in _OF_THE_CONNECTION)
        return Answer(answer.status, body, kept)

    authority = make_authority(folder)
    with StubServer(hand_over, tls=authority.server(*_NAMES)) as server, StubProxy(server.port) as proxy:
        yield {"HTTPS_PROXY": proxy.url, "AWS_CA_BUNDLE": os.fspath(authority.bundle)}


_OF_THE_CONNECTION = frozenset({"connection", "content-length", "transfer-encoding"})
