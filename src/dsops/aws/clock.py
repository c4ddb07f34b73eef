"""What time it is for AWS, which is what its conditions go by."""

from __future__ import annotations

from datetime import datetime

from dsops.aws.answer import server_time
from dsops.aws.client import Client
from dsops.aws.network import proxy_for, trust_from
from dsops.aws.wire import Request, Response
from dsops.endpoint import Endpoint, parse_address
from dsops.errors import ServiceError
from dsops.startup import cast
from dsops.tasks import transfer


async def time_at(client: Client, endpoint: Endpoint) -> datetime | None:
    """The endpoint's time, to the second; None where it can't be asked. Whatever it answers has a `Date`.

    Nothing is signed: no credentials are needed, and a clock of ours that is wrong does no harm.
    """
    address = parse_address(endpoint.url)
    if address is None:
        raise ValueError("endpoints come from resolve_endpoint")
    environ, folder = client.runtime.environ, client.runtime.folder
    request = Request(
        "GET",
        endpoint.url if "/" in endpoint.url.partition("://")[2] else f"{endpoint.url}/",
        proxy=proxy_for(address, environ),
        trust=trust_from(environ, folder) if address.scheme == "https" else None,
        connect_timeout_ms=client.connect_timeout_ms,
        total_timeout_ms=client.connect_timeout_ms,
    )
    try:
        response: Response = cast("Response", await transfer(request))
    except ServiceError:
        return None
    return server_time(response.headers)
