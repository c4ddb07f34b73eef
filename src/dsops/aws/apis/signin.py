"""Exchange a session for a console sign-in link, at AWS's federation endpoint.

Source: IAM User Guide, "Enable custom identity broker access to the AWS console". The session is sent in the query of
a GET request. TLS protects it in transit, and dsops shows it in no log, error or repr.
"""

from __future__ import annotations

import json

from dsops.arn import Partition
from dsops.aws.http.answer import parse_json
from dsops.aws.http.call import Client
from dsops.aws.http.client import quote
from dsops.aws.http.network import proxy_for, trust_from
from dsops.aws.http.wire import Response, WireRequest
from dsops.credentials import Credentials
from dsops.endpoint import is_loopback, parse_address
from dsops.errors import ConsoleRefused, DsopsError, ServiceError, TimedOut, Unreachable, UsageError
from dsops.secret import Secret
from dsops.startup import cast
from dsops.tasks import pause, transfer

LINK_SECONDS = 15 * 60
"""The lifetime of a sign-in token in seconds, according to the guide."""

_FIRST_PAUSE_SECONDS = 0.2

# Federation endpoint and console domain of each partition for which AWS documents both. The European Sovereign Cloud
# has an endpoint only in its region.
_PLACES = {
    "aws": ("https://signin.aws.amazon.com/federation", "console.aws.amazon.com"),
    "aws-cn": ("https://signin.amazonaws.cn/federation", "console.amazonaws.cn"),
    "aws-us-gov": ("https://signin.amazonaws-us-gov.com/federation", "console.amazonaws-us-gov.com"),
    "aws-eusc": ("https://eusc-de-east-1.signin.amazonaws-eusc.eu/federation", "console.amazonaws-eusc.eu"),
}


def federation_endpoint(partition: Partition, own: str = "") -> str:
    """Return the sign-in endpoint: `own` if set, otherwise the partition's. Raises UsageError for an unusable `own`."""
    if not own:
        if partition.name not in _PLACES:
            raise UsageError(
                f"the console sign-in address of the partition {partition.name} is unknown",
                hint="set the address with `--endpoint`",
            )
        return _PLACES[partition.name][0]
    address = parse_address(own)
    if address is None or (address.scheme != "https" and not is_loopback(address.host)):
        raise UsageError(
            "`--endpoint` is not an https address",
            why="the session is sent to the endpoint, so only https and loopback addresses are accepted",
            hint="leave out `--endpoint` to use AWS's own sign-in endpoint",
        )
    return own


def console_page(partition: Partition, region: str, own: str = "") -> str:
    """Return the page to open after sign-in: `own` if set, otherwise the region's console home page.

    Raises UsageError if `own` is not an https URL, or if the partition's console is unknown.
    """
    if own:
        if not own.startswith("https://") or not own.isascii() or not own.isprintable() or " " in own:
            raise UsageError(
                "`--destination` is not an https address",
                hint="write an address such as https://console.aws.amazon.com/s3/home",
            )
        return own
    if partition.name not in _PLACES:
        raise UsageError(
            f"the console address of the partition {partition.name} is unknown",
            hint="set the page to open with `--destination`",
        )
    return f"https://{region}.{_PLACES[partition.name][1]}/console/home?region={region}"


async def signin_link(
    client: Client, credentials: Credentials, endpoint: str, page: str, duration_seconds: int | None
) -> Secret:
    """Return the sign-in link, which is a credential for 15 minutes. Retries if the endpoint is unavailable."""
    token = credentials.session_token
    session = json.dumps(
        {
            "sessionId": credentials.access_key_id,
            "sessionKey": credentials.secret_access_key.reveal(),
            "sessionToken": token.reveal() if token else "",
        }
    )
    duration = f"&SessionDuration={duration_seconds}" if duration_seconds is not None else ""
    request = _request(client, endpoint, f"Action=getSigninToken{duration}&Session={quote(session)}")
    signin_token = _token(await _ask(client, request), endpoint)
    return Secret(f"{endpoint}?Action=login&Destination={quote(page)}&SigninToken={quote(signin_token)}")


def _request(client: Client, endpoint: str, query: str) -> WireRequest:
    address = parse_address(endpoint)
    if address is None:
        raise ValueError("endpoints come from federation_endpoint")
    environ, folder = client.runtime.environ, client.runtime.folder
    return WireRequest(
        "GET",
        f"{endpoint}?{query}",
        (("Accept", "application/json"),),
        proxy=proxy_for(address, environ),
        trust=trust_from(environ, folder) if address.scheme == "https" else None,
        connect_timeout_ms=client.connect_timeout_ms,
        total_timeout_ms=client.total_timeout_ms,
    )


async def _ask(client: Client, request: WireRequest) -> Response:
    attempt = 0
    while True:
        attempt += 1
        try:
            response = cast("Response", await transfer(request))
        except (Unreachable, TimedOut) as error:
            # The original hint is replaced, since it is written for AWS's service endpoints.
            error.retell(
                f"the sign-in endpoint: {error.message}",
                hint="try again later; where another one is meant, `--endpoint` or DSOPS_SIGNIN_ENDPOINT names it",
            )
            failure: DsopsError = error
        else:
            if response.status == 200:
                return response
            host = request.address.authority
            if response.status < 500 and response.status != 429:
                # The body is an HTML page that may contain the session, so it is not shown.
                raise ConsoleRefused(
                    f"{host} refused to sign in with this session (status {response.status})",
                    hint="leave out `--duration`, which may be longer than the role's maximum session duration",
                )
            failure = ServiceError(
                f"the sign-in endpoint {host} failed with status {response.status}", hint="try again"
            )
        if attempt >= client.attempts:
            raise failure
        await pause(_FIRST_PAUSE_SECONDS * 2 ** (attempt - 1))


def _token(response: Response, endpoint: str) -> str:
    token = (parse_json(response.body) or {}).get("SigninToken")
    if not isinstance(token, str) or not token:
        raise ConsoleRefused(
            f"{endpoint} returned no sign-in token", hint="check that this is AWS's federation endpoint"
        )
    return token
