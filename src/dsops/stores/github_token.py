"""Request the job's web identity token from GitHub Actions (GitHub Docs, "OpenID Connect reference")."""

from __future__ import annotations

import re
from typing import cast

from dsops.aws.http.answer import parse_json
from dsops.aws.http.client import quote
from dsops.aws.http.network import proxy_for, trust_from
from dsops.aws.http.wire import Response, WireRequest
from dsops.endpoint import is_loopback, parse_address
from dsops.errors import DsopsError, NoCredentials, ServiceError, TimedOut, Unreachable
from dsops.secret import Secret
from dsops.stores.interface import Context
from dsops.tasks import pause, transfer

URL = "ACTIONS_ID_TOKEN_REQUEST_URL"
BEARER = "ACTIONS_ID_TOKEN_REQUEST_TOKEN"

_QUERY = r"[A-Za-z0-9._~!$&'()*+,;=:@/?%-]*"
_FIRST_PAUSE_SECONDS = 0.2


async def github_token(context: Context, audience: str) -> Secret:
    """Request a new token for that audience. Retries while GitHub is unavailable, but not after GitHub has refused."""
    request = _request(context, audience)
    attempt = 0
    while True:
        attempt += 1
        try:
            response = cast("Response", await transfer(request))
        except (Unreachable, TimedOut) as error:
            # The hints of these errors concern AWS's endpoints, not GitHub's.
            error.retell(
                f"GitHub's token endpoint: {error.message}",
                hint="try again later; a self-hosted runner needs access to it, through its proxy too",
            )
            failure: DsopsError = error
        else:
            if response.status == 200:
                return _value(response)
            if response.status < 500 and response.status != 429:
                raise NoCredentials(
                    f"GitHub refused to give this job a token: status {response.status}",
                    hint="give the job `permissions: {id-token: write}`; tokens are issued only while the job runs",
                )
            failure = ServiceError(f"GitHub's token endpoint failed with status {response.status}", hint="try again")
        if attempt >= context.client.attempts:
            raise failure
        await pause(_FIRST_PAUSE_SECONDS * 2 ** (attempt - 1))


def _request(context: Context, audience: str) -> WireRequest:
    environ = context.runtime.environ
    url, bearer = environ.get(URL, ""), environ.get(BEARER, "")
    if not url or not bearer:
        raise NoCredentials(
            f"there is no token from GitHub Actions: {BEARER if url else URL} is not set",
            hint="give the job `permissions: {id-token: write}`",
        )
    place, _, query = url.partition("?")
    address = parse_address(place)
    is_safe = address is not None and (address.scheme == "https" or is_loopback(address.host))
    if address is None or not is_safe or not re.fullmatch(_QUERY, query):
        raise NoCredentials(f"{URL} is not an https address", hint="do not change this variable: GitHub sets it")
    if not (bearer.isascii() and bearer.isprintable()) or " " in bearer:
        raise NoCredentials(f"{BEARER} is not a token", hint="do not change this variable: GitHub sets it")
    return WireRequest(
        "GET",
        f"{place}?{query}{'&' if query else ''}audience={quote(audience)}",
        (("Authorization", f"Bearer {bearer}"), ("Accept", "application/json")),
        proxy=proxy_for(address, environ),
        trust=trust_from(environ, context.runtime.folder) if address.scheme == "https" else None,
        connect_timeout_ms=context.client.connect_timeout_ms,
        total_timeout_ms=context.client.total_timeout_ms,
    )


def _value(response: Response) -> Secret:
    value = (parse_json(response.body) or {}).get("value")
    if not isinstance(value, str) or not value:
        raise NoCredentials(
            f"the address in {URL} returned no token", hint="check that the address is GitHub's endpoint"
        )
    return Secret(value)
