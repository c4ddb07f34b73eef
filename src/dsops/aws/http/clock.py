"""What time it is for AWS, which is what its conditions go by; and what else an unsigned question tells of a server."""

from __future__ import annotations

from datetime import UTC, datetime

from dsops.aws.http.answer import server_time
from dsops.aws.http.client import Client
from dsops.aws.http.network import proxy_for, trust_from
from dsops.aws.http.wire import Response, WireRequest
from dsops.endpoint import Endpoint, parse_address
from dsops.errors import ServiceError
from dsops.startup import NamedTuple, cast
from dsops.tasks import transfer

_OPENSSL_TIME = "%b %d %H:%M:%S %Y GMT"


class Glance(NamedTuple):
    """What a server told to somebody without credentials."""

    time: datetime | None
    """By its clock, to the second; None where its answer has none."""
    ahead_seconds: float
    """How far that is ahead of our clock, at the least: 0 where both may show the same."""
    certificate_end: datetime | None
    """Until when its certificate is good; None without TLS, and where the driver can't tell."""


async def time_at(client: Client, endpoint: Endpoint) -> datetime | None:
    """The endpoint's time, to the second; None where it can't be asked. Whatever it answers has a `Date`.

    Nothing is signed: no credentials are needed, and a clock of ours that is wrong does no harm.
    """
    try:
        return (await glance_at(client, endpoint)).time
    except ServiceError:
        return None


async def glance_at(client: Client, endpoint: Endpoint, *, asks_certificate: bool = False) -> Glance:
    """Asks for nothing, unsigned: whoever answers is there.

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
    return Glance(time, ahead, _read_end(response.certificate_end))


def _ahead(before: datetime, after: datetime, theirs: datetime) -> float:
    """Seconds by which `theirs` lies outside of the time that the question took here; it names a whole second."""
    if (theirs - after).total_seconds() > 0:
        return (theirs - after).total_seconds()
    return min(0.0, (theirs - before).total_seconds() + 1)


def _read_end(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, _OPENSSL_TIME).replace(tzinfo=UTC) if text else None
    except ValueError:
        return None
