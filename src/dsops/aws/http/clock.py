"""Read a server's clock and certificate expiry from the response to an unsigned request.

AWS evaluates time conditions by its own clock.
"""

from __future__ import annotations

from datetime import UTC, datetime

from dsops.aws.http.answer import server_time
from dsops.aws.http.call import Client
from dsops.aws.http.network import proxy_for, trust_from
from dsops.aws.http.wire import Response, WireRequest
from dsops.endpoint import Endpoint, parse_address
from dsops.errors import ServiceError
from dsops.startup import NamedTuple, cast
from dsops.tasks import transfer

_OPENSSL_TIME = "%b %d %H:%M:%S %Y GMT"


class ServerProbe(NamedTuple):
    """What the response to an unsigned request shows about a server."""

    time: datetime | None
    """The server's clock, to the second; None when the response has no `Date` header."""
    ahead_seconds: float
    """The minimum number of seconds by which the server's clock is ahead of the local clock.

    The value is 0 if both clocks may show the same time.
    """
    certificate_end: datetime | None
    """The expiry of the server's certificate; None without TLS, or when the transport can't tell."""


async def time_at(client: Client, endpoint: Endpoint) -> datetime | None:
    """Return the endpoint's time, to the second; None when it is unreachable.

    Every response, even an error, has a `Date`. The request is unsigned, so it needs no credentials, and a wrong
    local clock does not matter.
    """
    try:
        return (await glance_at(client, endpoint)).time
    except ServiceError:
        return None


async def glance_at(client: Client, endpoint: Endpoint, *, asks_certificate: bool = False) -> ServerProbe:
    """Send an unsigned GET and return the server's time, skew and certificate expiry.

    Raises ServiceError, and ConfigError for a proxy or certificates that can't be used.
    """
    address = parse_address(endpoint.url)
    if address is None:
        raise ValueError("endpoints come from resolve_endpoint")
    environ, folder = client.runtime.environ, client.runtime.folder
    request = WireRequest(
        "GET",
        endpoint.url if "/" in endpoint.url.partition("://")[2] else f"{endpoint.url}/",
        proxy=proxy_for(address, environ),
        trust=trust_from(environ, folder) if address.scheme == "https" else None,
        connect_timeout_ms=client.connect_timeout_ms,
        total_timeout_ms=client.connect_timeout_ms,
        asks_certificate=asks_certificate,
    )
    before = client.runtime.now()
    response: Response = cast("Response", await transfer(request))
    time = server_time(response.headers)
    ahead = _ahead(before, client.runtime.now(), time) if time is not None else 0.0
    return ServerProbe(time, ahead, _read_end(response.certificate_end))


def _ahead(before: datetime, after: datetime, theirs: datetime) -> float:
    """Return the server's clock difference in seconds: positive if its clock is ahead, negative if it is behind.

    `before` and `after` are the local times around the request. `theirs` is the server's time, a whole second. The
    result is 0 if `theirs` may lie between them.
    """
    if (theirs - after).total_seconds() > 0:
        return (theirs - after).total_seconds()
    return min(0.0, (theirs - before).total_seconds() + 1)


def _read_end(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, _OPENSSL_TIME).replace(tzinfo=UTC) if text else None
    except ValueError:
        return None
