"""Where a guarded run may send requests: further hosts, and an endpoint that takes the place of AWS."""

from __future__ import annotations

from typing import Literal, NamedTuple

Network = Literal["aws", "all"] | tuple[str, ...]
"""`aws` for only AWS's hosts, `all`, or patterns of further hosts such as `*.example.com`."""


class EndpointOverride(NamedTuple):
    """An endpoint that takes the requests of all services, such as a sandbox."""

    host: str
    port: int
    is_tls: bool
