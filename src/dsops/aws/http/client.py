"""Send one call to AWS: sign it, retry it, and turn a refusal into a dsops error."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from dsops.aws.http import answer as answers
from dsops.aws.http.answer import Content, Element
from dsops.aws.http.network import Proxy, Trust, proxy_for, trust_from
from dsops.aws.http.refusal import (
    TRANSIENT_STATUSES,
    as_error,
    is_bad_signature,
    is_skew,
    is_throttling,
    is_transient,
    throttled,
)
from dsops.aws.http.wire import Response, Signing, WireRequest
from dsops.credentials import Credentials
from dsops.endpoint import Endpoint, is_loopback, parse_address
from dsops.errors import AnswerInvalid, AwsAnswer, DsopsError, FailedOperation, ServiceError, TimedOut, Unreachable
from dsops.runtime import CLOCK_CORRECTED, Event, ReportedWait, Runtime
from dsops.secret import Secret
from dsops.startup import TYPE_CHECKING, NamedTuple, cast
from dsops.tasks import pause, prepare, transfer

if TYPE_CHECKING:
    from dsops.aws.http.retries import KnownServices, Retrying

_SKEW_SECONDS = 4 * 60
"""The smallest clock difference that can make AWS refuse a request: Secrets Manager accepts 5 minutes, STS 15."""

_MOST_PREPARED = 6
"""The maximum number of connections opened in advance: 100 secrets in batches of 20 need five at once."""

_SANDBOX = "dsops-sandbox"
"""The product name in the `Server` header of dsops' sandbox. A slash and an id of the sandbox's run follow it."""

_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~")


class Client(NamedTuple):
    """What every call needs in addition to its parameters: runtime, limits, and facts learnt about services.

    Create a client with `make_client`; `_replace` changes its limits.
    """

    runtime: Runtime
    skews: dict[str, float]
    """The number of seconds by which each host's clock is ahead of the local clock, learnt from refusals.

    All copies of the client share this dict.
    """
    known_services: KnownServices
    """The rate limits of services that refused a request or failed.

    All copies of the client share them, and so do all clients of an agent.
    """
    connect_timeout_ms: int
    total_timeout_ms: int
    """The timeout of the whole call, including retries and pauses."""
    attempts: int
    """The maximum number of attempts when the service fails. A throttled call is retried until the total timeout."""
    sandboxes: dict[str, str]
    """Maps the URL of each endpoint that is a local dsops sandbox to the `Server` header of its last response.

    All copies of the client share this dict.
    """

    def skew_seconds(self, endpoint: Endpoint) -> float:
        """Return the number of seconds by which the endpoint's clock is ahead of the local clock.

        The result is 0 until a refusal has shown a difference.
        """
        return self.skews.get(endpoint.url, 0.0)


def make_client(
    runtime: Runtime,
    *,
    connect_timeout_ms: int = 5_000,
    total_timeout_ms: int = 30_000,
    attempts: int = 4,
    known_services: KnownServices | None = None,
    sandboxes: dict[str, str] | None = None,
) -> Client:
    """Create a client. Clients with the same `known_services` and `sandboxes` share what they learn."""
    services = {} if known_services is None else known_services
    sandbox_urls = {} if sandboxes is None else sandboxes
    return Client(runtime, {}, services, connect_timeout_ms, total_timeout_ms, attempts, sandbox_urls)


Refusal = Callable[[AwsAnswer, str], DsopsError | None]
"""A function that converts AWS's error into this action's own error, or returns None for any other error.

Its second argument is the text for `not allowed to ...`.
"""


class Call(NamedTuple):
    """One call of an API action, without its parameters."""

    endpoint: Endpoint
    credentials: Credentials | None
    """The credentials that sign the request; None for actions that are not signed."""
    action: str
    doing: str
    """What the action does, to complete `not allowed to ...`: `assume arn:aws:iam::123456789012:role/Deploy`."""
    refusal: Refusal
    hidden: tuple[Secret | None, ...] = ()
    """Secret parameters, which are masked in error messages because AWS may repeat them there."""
    is_once: bool = False
    """Whether the request must not reach AWS twice: it is not repeated if the first attempt may have arrived.

    Examples are a request with an MFA code, and one that writes a new version each time.
    """
    method: str = "POST"
    path: str = ""
    """Path and query after the endpoint's address, percent-encoded, for REST APIs."""


class Reply(NamedTuple):
    """The content and headers of a response. Its repr shows neither."""

    result: Element
    headers: Mapping[str, str]


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
                request = _request(client, call, headers, body, until)
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


class _Failed(NamedTuple):
    """The error of a failed attempt, and whether to retry."""

    error: DsopsError
    may_help: bool
    """Whether the same request may succeed shortly and can safely be sent again."""
    asked_to_wait: float = 0.0
    is_corrected: bool = False
    """Whether the next attempt is signed with the server's time."""


async def _attempt(
    client: Client, call: Call, request: WireRequest, read_refusal: _ReadRefusal, *, may_correct: bool
) -> Response | _Failed:
    """Send the request once. Return the response if its status is 200, else the reason of the failure."""
    begun, skew = client.runtime.monotonic(), client.skew_seconds(call.endpoint)
    try:
        response = cast("Response", await transfer(request))
    except (Unreachable, TimedOut) as error:
        _measure(client, call, "unreachable", begun)
        return _Failed(error, error.how_far == "unsent" or (error.how_far == "sent" and not call.is_once))
    _note_who_answered(client, call.endpoint, response)
    if response.status == 200:
        _measure(client, call, "ok", begun)
        return response
    answer = _what_aws_said(call, response, read_refusal)
    _measure(client, call, _result(response, answer), begun)
    failure = _failure(call, response, answer)
    # AWS checks the signature first, so a request that is refused for its timestamp has not used up its MFA code.
    is_corrected = (
        answer is not None and may_correct and _is_corrected(client, call, response, answer, _Signed(request, skew))
    )
    may_help = _passes(response, answer) and not call.is_once
    return _Failed(failure, may_help, _retry_after(response), is_corrected)


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


def _result(response: Response, answer: AwsAnswer | None) -> str:
    """Return the metric label of an attempt with a response: `throttled`, `failed` or `refused`."""
    if response.status == 429 or (answer is not None and is_throttling(answer)):
        return "throttled"
    if answer is None or is_transient(answer):
        return "failed"
    return "refused"


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
            now.strftime("%Y%m%dT%H%M%SZ"),
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


def _what_aws_said(call: Call, response: Response, read_refusal: _ReadRefusal) -> AwsAnswer | None:
    parts = read_refusal(response)
    if parts is None or 300 <= response.status < 400:
        return None
    token = call.credentials.session_token if call.credentials is not None else None
    return answers.aws_answer(call.endpoint, response.status, parts, (*call.hidden, token))


def _failure(call: Call, response: Response, answer: AwsAnswer | None) -> DsopsError:
    """Return the error for a response with a status other than 200."""
    endpoint = call.endpoint
    if answer is not None and is_throttling(answer):
        return throttled(endpoint.short, answer.message, answer)
    if answer is not None and is_transient(answer):
        message = f"{endpoint.short} failed to {call.doing}"
        return ServiceError(message, why=answer.message, hint="try again", aws=answer)
    if answer is not None:
        return call.refusal(answer, call.doing) or as_error(
            answer, call.doing, call.credentials, endpoint.signing_region
        )
    return _unreadable(call, response)


def _unreadable(call: Call, response: Response) -> DsopsError:
    """Return the error for a response that is not from AWS but from a load balancer, a proxy or another server."""
    endpoint, status = call.endpoint, response.status
    if status == 429:
        return throttled(endpoint.short)
    if status >= 500:
        return ServiceError(f"{endpoint.short} failed to {call.doing}: status {status}", hint="try again")
    if 300 <= status < 400:
        where = "".join(character for character in response.headers.get("location", "") if character.isprintable())
        return AnswerInvalid(
            f"{endpoint.short} sent a redirect instead of a response",
            why=f"the redirect points to {where[:200] or 'nowhere'}; dsops sends no credentials there",
            hint=f"check that {endpoint.url} is the address of {endpoint.service}",
        )
    return AnswerInvalid(
        f"{endpoint.short} sent an invalid response with status {status}",
        hint=f"check that {endpoint.url} is AWS, and not a proxy or another program",
    )


def _passes(response: Response, answer: AwsAnswer | None) -> bool:
    """Return whether the failure is temporary, so that the same request may succeed in a moment."""
    if answer is not None:
        return is_throttling(answer) or is_transient(answer)
    return response.status == 429 or response.status in TRANSIENT_STATUSES


def _retry_after(response: Response) -> float:
    """Return the seconds in the Retry-After header; 0 when there is none. Dates are ignored (AWS sends none)."""
    value = response.headers.get("retry-after", "")
    return float(value) if value.isascii() and value.isdigit() and len(value) <= 6 else 0.0


class _Signed(NamedTuple):
    """A signed request and the clock difference that its signature used."""

    request: WireRequest
    skew_seconds: float


def _is_corrected(client: Client, call: Call, response: Response, answer: AwsAnswer, signed: _Signed) -> bool:
    """Return whether AWS refused the signing time, and the next attempt will use the server's time."""
    signing = signed.request.signing
    if signing is None or not (is_skew(answer) or is_bad_signature(answer)):
        return False
    theirs = answers.server_time(response.headers)
    if theirs is None:
        return False
    if client.skew_seconds(call.endpoint) != signed.skew_seconds:
        # A concurrent call got the same refusal and has already corrected the time.
        return True
    ahead = (theirs - client.runtime.now()).total_seconds()
    if abs(ahead - signed.skew_seconds) < _SKEW_SECONDS:
        # The local clock is right, but the signature may be too old because the machine slept before it sent the
        # request.
        signed_at = datetime.strptime(signing.timestamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        return (theirs - signed_at).total_seconds() >= _SKEW_SECONDS
    if not client.skews and abs(ahead) >= _SKEW_SECONDS:
        minutes, side = f"{abs(ahead) / 60:.0f} minutes", "behind" if ahead > 0 else "ahead of"
        facts = {"minutes": minutes, "side": side, "endpoint": call.endpoint.short}
        client.runtime.report(Event(CLOCK_CORRECTED, facts))
    client.skews[call.endpoint.url] = ahead
    return True
