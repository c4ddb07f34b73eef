"""Send one call to AWS: sign it, retry it, and turn a refusal into a dsops error."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

from dsops.aws.http import answer as answers
from dsops.aws.http.answer import Content
from dsops.aws.http.call import Call, Client, FailedAttempt, Reply
from dsops.aws.http.network import Proxy, Trust, proxy_for, trust_from
from dsops.aws.http.wire import Response, Signing, WireRequest
from dsops.endpoint import Endpoint, is_loopback, parse_address
from dsops.errors import AwsAnswer, FailedOperation, TimedOut, Unreachable
from dsops.runtime import ReportedWait
from dsops.startup import TYPE_CHECKING, cast
from dsops.tasks import pause, prepare, transfer

if TYPE_CHECKING:
    from dsops.aws.http.retries import Retrying

_MOST_PREPARED = 6
"""The maximum number of connections opened in advance: 100 secrets in batches of 20 need five at once."""

_SANDBOX = "dsops-sandbox"
"""The product name in the `Server` header of dsops' sandbox. A slash and an id of the sandbox's run follow it."""

_NO_BODY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
"""The SHA-256 of an empty body, which S3 expects in a header."""

_SUCCESS = (200, 201)
_TIMESTAMP = "%Y%m%dT%H%M%SZ"
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~")


async def call_query(
    client: Client, call: Call, version: str, parameters: Sequence[tuple[str, str]], *, has_result: bool = True
) -> Reply:
    """Call a query API (STS, IAM) and return its `<Action>Result` element.

    Parameters are in wire format: `Tags.member.1.Key`. `has_result` is False for actions without a result element
    (PutRolePolicy), for which the whole response is returned.
    """
    form = [("Action", call.action), ("Version", version), *parameters]
    body = "&".join(f"{name}={quote(value)}" for name, value in form).encode("ascii")
    headers = (("Content-Type", "application/x-www-form-urlencoded; charset=utf-8"),)
    response = await _send(client, call, headers, body, answers.query_refusal)
    root = answers.parse_xml(response.body)
    answer = root if root and root.name == f"{call.action}Response" else None
    result = answer.find(f"{call.action}Result") if answer and has_result else answer
    if result is None:
        raise answers.lacks(call.endpoint, call.action, f"{call.action}{'Result' if has_result else 'Response'}")
    return Reply(result, response.headers)


async def call_json(client: Client, call: Call, target: str, parameters: Mapping[str, object]) -> Content:
    """Call a JSON 1.1 API (Secrets Manager, SSM). `target` is the part of X-Amz-Target before the action."""
    body = json.dumps(parameters, separators=(",", ":")).encode("ascii")
    headers = (("Content-Type", "application/x-amz-json-1.1"), ("X-Amz-Target", f"{target}.{call.action}"))
    response = await _send(client, call, headers, body, answers.json_refusal)
    content = answers.parse_json(response.body)
    if content is None:
        raise answers.lacks(call.endpoint, call.action, "JSON object")
    return Content(content, response.headers)


async def call_rest(
    client: Client,
    call: Call,
    parameters: Mapping[str, object] | None = None,
    headers: tuple[tuple[str, str], ...] = (),
) -> Content:
    """Call a REST API with JSON (IAM Identity Center) at `call.path`. An empty body is returned as {}."""
    body = b""
    if parameters is not None:
        body = json.dumps(parameters, separators=(",", ":")).encode("ascii")
        headers = (*headers, ("Content-Type", "application/json"))
    response = await _send(client, call, headers, body, answers.rest_refusal)
    content = answers.parse_json(response.body or b"{}")
    if content is None:
        raise answers.lacks(call.endpoint, call.action, "JSON object")
    return Content(content, response.headers)


async def call_s3(client: Client, call: Call, headers: tuple[tuple[str, str], ...] = ()) -> bytes:
    """Call an action of S3's REST API that has no body, at `call.path`; return the response's body."""
    headers = (*headers, ("X-Amz-Content-Sha256", _NO_BODY))
    return (await _send(client, call, headers, b"", answers.s3_refusal)).body


async def preconnect(client: Client, endpoint: Endpoint, connections: int) -> None:
    """Open connections to the endpoint in advance, so that its next calls can use them.

    Only for TLS, whose handshake takes long. The function does not wait for connections and ignores failures.
    """
    if not endpoint.url.startswith("https:"):
        return
    proxy, trust = _way(client, endpoint)
    for _ in range(min(connections, _MOST_PREPARED)):
        await prepare(WireRequest("HEAD", _url(endpoint), proxy=proxy, trust=trust))


def quote(text: str) -> str:
    """Percent-encode a text for a form or a query."""
    raw = text.encode("utf-8", "surrogateescape")
    return "".join(chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in raw)


_ReadRefusal = Callable[[Response], "tuple[str, str, str] | None"]


async def _send(
    client: Client, call: Call, headers: tuple[tuple[str, str], ...], body: bytes, read_refusal: _ReadRefusal
) -> Response:
    """Send the request; retry failures until the attempts run out, and throttling until the deadline."""
    until = client.runtime.monotonic() + client.total_timeout_ms / 1000
    is_skew_corrected = False
    retrying = _retrying(client, call, until) if client.known_services else None
    with ReportedWait(client.runtime.report, "call", call.endpoint.short, action=call.action):
        while True:
            error = await retrying.turn() if retrying is not None else None
            if error is None:
                begun = client.runtime.monotonic()
                request = await _signed(client, call, _request(client, call, headers, body, until))
                outcome = await _attempt(client, call, request, read_refusal, may_correct=not is_skew_corrected)
                if isinstance(outcome, Response):
                    if retrying is not None:
                        retrying.succeed()
                    return outcome
                if outcome.is_corrected:
                    is_skew_corrected = True
                    continue
                retrying = retrying or _retrying(client, call, until)
                wait = retrying.wait_after(outcome.error, begun, outcome.asked_to_wait, may_help=outcome.may_help)
                if wait is not None:
                    await pause(wait)
                    continue
                error = outcome.error
            error.add_tried(_tried(call, error.aws))
            raise error


async def _attempt(
    client: Client, call: Call, request: WireRequest, read_refusal: _ReadRefusal, *, may_correct: bool
) -> Response | FailedAttempt:
    """Send the request once. Return the response if its status is 200 or 201, else the reason of the failure."""
    begun, skew = client.runtime.monotonic(), client.skew_seconds(call.endpoint)
    try:
        response = cast("Response", await transfer(request))
    except (Unreachable, TimedOut) as error:
        _measure(client, call, "unreachable", begun)
        return FailedAttempt(error, error.how_far == "unsent" or (error.how_far == "sent" and not call.is_once))
    _note_who_answered(client, call.endpoint, response)
    if response.status in _SUCCESS:
        _measure(client, call, "ok", begun)
        return response
    from dsops.aws.http.failed_response import Signed, failed_attempt

    signed = Signed(request, skew, _signed_at(request))
    failed, label = failed_attempt(client, call, signed, response, read_refusal(response), may_correct=may_correct)
    _measure(client, call, label, begun)
    return failed


def _retrying(client: Client, call: Call, until: float) -> Retrying:
    """Return the retry state of a call, with the limits of its service: AWS counts requests by account and region."""
    from dsops.arn import account_of_key_id
    from dsops.aws.http.retries import Bounds, Retrying, limits_of

    endpoint = call.endpoint
    account = account_of_key_id(call.credentials.access_key_id) if call.credentials is not None else ""
    limits = limits_of(client.known_services, (endpoint.url, endpoint.service, endpoint.signing_region, account))
    return Retrying(limits, client.runtime, endpoint.short, Bounds(until, client.attempts, call.is_once))


def _note_who_answered(client: Client, endpoint: Endpoint, response: Response) -> None:
    """Record whether the dsops sandbox responded, by its `Server` header and an address on this machine."""
    address = parse_address(endpoint.url)
    server = response.headers.get("server", "")
    is_sandbox = address is not None and is_loopback(address.host) and server.partition("/")[0] == _SANDBOX
    if is_sandbox:
        client.sandboxes[endpoint.url] = server
    else:
        client.sandboxes.pop(endpoint.url, None)
    if client.runtime.journal is not None:
        client.runtime.journal.answered_by(is_sandbox=is_sandbox)


def _measure(client: Client, call: Call, result: str, begun: float) -> None:
    """Count one attempt in the metrics. Labels never contain a URL, because it may have parameters."""
    client.runtime.measure("aws.call", (call.endpoint.service, call.action, result), client.runtime.monotonic() - begun)


def _tried(call: Call, answer: AwsAnswer | None) -> FailedOperation:
    """Return the call's action, caller, region and endpoint, for the error. AWS's denial may name the caller's ARN."""
    caller = ""
    if call.credentials is not None:
        caller_match = re.match(_CALLER, answer.message) if answer is not None else None
        caller = call.credentials.arn or (caller_match[1] if caller_match else call.credentials.masked_key_id)
    return FailedOperation(call.action, caller, region=call.endpoint.signing_region, endpoint=call.endpoint.short)


# Source: IAM User Guide, "Troubleshoot access denied error messages".
_CALLER = r"User: (arn:\S+) is not authorized"


def _request(
    client: Client, call: Call, headers: tuple[tuple[str, str], ...], body: bytes, until: float
) -> WireRequest:
    """Build the request, signed with the endpoint's time."""
    proxy, trust = _way(client, call.endpoint)
    signing = None
    if call.credentials is not None:
        now = client.runtime.now() + timedelta(seconds=client.skew_seconds(call.endpoint))
        signing = Signing(
            call.credentials.access_key_id,
            call.credentials.secret_access_key,
            call.credentials.session_token,
            call.endpoint.service,
            call.endpoint.signing_region,
            now.strftime(_TIMESTAMP),
        )
    return WireRequest(
        call.method,
        f"{call.endpoint.url}{call.path}" if call.path else _url(call.endpoint),
        headers,
        body,
        signing,
        proxy,
        trust,
        client.connect_timeout_ms,
        max(1, int((until - client.runtime.monotonic()) * 1000)),
        call.is_once,
    )


async def _signed(client: Client, call: Call, request: WireRequest) -> WireRequest:
    """Add the headers of a signature that is not made with credentials. It has the endpoint's time, like others."""
    if call.sign is None:
        return request
    now = client.runtime.now() + timedelta(seconds=client.skew_seconds(call.endpoint))
    return request._replace(headers=(*request.headers, *await call.sign(request, now.strftime(_TIMESTAMP))))


def _signed_at(request: WireRequest) -> str:
    """Return the time of the request's signature; "" for an unsigned request."""
    if request.signing is not None:
        return request.signing.timestamp
    return next((value for name, value in request.headers if name == "x-amz-date"), "")


def _url(endpoint: Endpoint) -> str:
    # AWS receives a URL without a path as `/`. The `/` is added here so that every signer signs the same path.
    return endpoint.url if "/" in endpoint.url.partition("://")[2] else f"{endpoint.url}/"


def _way(client: Client, endpoint: Endpoint) -> tuple[Proxy | None, Trust | None]:
    """Return the proxy and the trusted certificates for an endpoint."""
    address = parse_address(endpoint.url)
    if address is None:
        raise ValueError("endpoints come from resolve_endpoint")
    environ, folder = client.runtime.environ, client.runtime.folder
    return proxy_for(address, environ), trust_from(environ, folder) if address.scheme == "https" else None
