"""One call to AWS: signed, sent, sent again where that may help, its refusal told as a dsops error."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

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
from dsops.errors import AnswerInvalid, AwsAnswer, DsopsError, ServiceError, TimedOut, Tried, Unreachable
from dsops.runtime import CLOCK_CORRECTED, Event, Runtime
from dsops.secret import Secret
from dsops.startup import TYPE_CHECKING, NamedTuple, cast
from dsops.tasks import pause, prepare, transfer

if TYPE_CHECKING:
    from dsops.aws.http.retries import KnownServices, Retrying

_SKEW_SECONDS = 4 * 60
"""Less than that is no reason for a refusal: Secrets Manager takes 5 minutes, STS 15."""

_MOST_PREPARED = 6
"""Connections opened ahead: 100 secrets in batches of 20 need five at a time."""

_SANDBOX = "dsops-sandbox"
"""The `Server` header of dsops' sandbox."""

_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~")


class Client(NamedTuple):
    """What a call needs besides its own content. Made by `make_client`; `_replace` gives one with other limits."""

    runtime: Runtime
    skews: dict[str, float]
    """Host -> seconds that its clock is ahead of ours, once a refusal told; shared by the copies of a client."""
    known_services: KnownServices
    """The rate limits of services that have refused or failed; shared by the copies of a client, and by an agent's."""
    connect_timeout_ms: int
    total_timeout_ms: int
    """For the whole call, retries and pauses included."""
    attempts: int
    """The most where the service fails; throttling is retried until the total time is up."""
    sandboxes: set[str]
    """URLs of endpoints whose last answer was that of dsops' sandbox on this machine; shared like `skews`."""

    def skew_seconds(self, endpoint: Endpoint) -> float:
        """How far that endpoint's clock is ahead of ours, as far as we know."""
        return self.skews.get(endpoint.url, 0.0)


def make_client(
    runtime: Runtime,
    *,
    connect_timeout_ms: int = 5_000,
    total_timeout_ms: int = 30_000,
    attempts: int = 4,
    known_services: KnownServices | None = None,
    sandboxes: set[str] | None = None,
) -> Client:
    """A client of this world; `known_services` and `sandboxes` are what several clients share, and learn."""
    services = {} if known_services is None else known_services
    known = set() if sandboxes is None else sandboxes
    return Client(runtime, {}, services, connect_timeout_ms, total_timeout_ms, attempts, known)


Refusal = Callable[[AwsAnswer, str], DsopsError | None]
"""(what AWS said, what was being done) -> the error that an action makes of it; None where the common one will do."""


class Call(NamedTuple):
    """One action on one service, apart from its parameters."""

    endpoint: Endpoint
    credentials: Credentials | None
    """None for the actions that are not signed."""
    action: str
    doing: str
    """Completes `not allowed to ...`: `assume arn:aws:iam::123456789012:role/Deploy`."""
    refusal: Refusal
    hidden: tuple[Secret | None, ...] = ()
    """Secrets among the parameters, which AWS may repeat in a message."""
    is_once: bool = False
    """It holds an MFA code, which works once: what may have arrived is never sent again."""
    method: str = "POST"
    path: str = ""
    """Path and query behind the endpoint's address, percent-encoded, for an API that has many."""


class Reply(NamedTuple):
    """An answer's content, and the headers that it came with. Its repr shows neither."""

    result: Element
    headers: Mapping[str, str]


async def call_query(
    client: Client, call: Call, version: str, parameters: Sequence[tuple[str, str]], *, has_result: bool = True
) -> Reply:
    """The `<Action>Result` element of a query API (STS, IAM). Parameters in wire form: `Tags.member.1.Key`.

    Actions that only do something (PutRolePolicy) have none: then it is the whole answer.
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
    """The answer of a JSON 1.1 API (Secrets Manager, SSM). `target` is what X-Amz-Target has before the action."""
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
    """The answer of a REST API with JSON (IAM Identity Center), {} for an empty one; `call.path` says what is asked."""
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
    """Opens connections that the next calls to this endpoint will find, by the way that its calls take.

    Only where there is TLS: that is what takes long. It doesn't wait for them, and nothing comes of a failure.
    """
    if not endpoint.url.startswith("https:"):
        return
    proxy, trust = _way(client, endpoint)
    for _ in range(min(connections, _MOST_PREPARED)):
        await prepare(WireRequest("HEAD", _url(endpoint), proxy=proxy, trust=trust))


def quote(text: str) -> str:
    """Percent-encoded for a form or a query."""
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
    """An attempt without success."""

    error: DsopsError
    may_help: bool
    """Whether the same request may succeed in a moment, and may be sent twice."""
    asked_to_wait: float = 0.0
    is_corrected: bool = False
    """The next attempt will be signed for the server's time."""


async def _attempt(
    client: Client, call: Call, request: WireRequest, read_refusal: _ReadRefusal, *, may_correct: bool
) -> Response | _Failed:
    """The answer with status 200, or how the attempt failed."""
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
    said = _what_aws_said(call, response, read_refusal)
    _measure(client, call, _result(response, said), begun)
    failure = _failure(call, response, said)
    # AWS looks at nothing else before the signature: an MFA code is not used up by a corrected attempt.
    is_corrected = said is not None and may_correct and _is_corrected(client, call, response, said, skew)
    may_help = _passes(response, said) and not call.is_once
    return _Failed(failure, may_help, _retry_after(response), is_corrected)


def _retrying(client: Client, call: Call, until: float) -> Retrying:
    """The call's attempts, at the limits of its service: AWS counts requests by account and region."""
    from dsops.arn import account_of_key_id
    from dsops.aws.http.retries import Bounds, Retrying, limits_of

    endpoint = call.endpoint
    account = account_of_key_id(call.credentials.access_key_id) if call.credentials is not None else ""
    limits = limits_of(client.known_services, (endpoint.url, endpoint.service, endpoint.signing_region, account))
    return Retrying(limits, client.runtime, endpoint.short, Bounds(until, client.attempts, call.is_once))


def _note_who_answered(client: Client, endpoint: Endpoint, response: Response) -> None:
    """Tells a sandbox from AWS. Its name alone proves nothing: it has to answer on this machine, too."""
    address = parse_address(endpoint.url)
    is_sandbox = address is not None and is_loopback(address.host) and response.headers.get("server") == _SANDBOX
    if is_sandbox:
        client.sandboxes.add(endpoint.url)
    else:
        client.sandboxes.discard(endpoint.url)
    if client.runtime.journal is not None:
        client.runtime.journal.answered_by(is_sandbox=is_sandbox)


def _measure(client: Client, call: Call, result: str, begun: float) -> None:
    """Counts one attempt; of a URL that has parameters in it nothing is told."""
    client.runtime.measure("aws.call", (call.endpoint.service, call.action, result), client.runtime.monotonic() - begun)


def _result(response: Response, said: AwsAnswer | None) -> str:
    """What became of an attempt that was answered."""
    if response.status == 429 or (said is not None and is_throttling(said)):
        return "throttled"
    if said is None or is_transient(said):
        return "failed"
    return "refused"


def _tried(call: Call, said: AwsAnswer | None) -> Tried:
    """What the call was; of a key whose ARN is not known, AWS may have told that."""
    caller = ""
    if call.credentials is not None:
        found = re.match(_CALLER, said.message) if said is not None else None
        caller = call.credentials.arn or (found[1] if found else call.credentials.masked_key_id)
    return Tried(call.action, caller, region=call.endpoint.signing_region, endpoint=call.endpoint.short)


# IAM User Guide, "Troubleshoot access denied error messages".
_CALLER = r"User: (arn:\S+) is not authorized"


def _request(
    client: Client, call: Call, headers: tuple[tuple[str, str], ...], body: bytes, until: float
) -> WireRequest:
    """What goes on the wire, signed for the time that the endpoint's clock shows."""
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
    # A URL without a path is asked for `/`; written out, so that every signer sees the same.
    return endpoint.url if "/" in endpoint.url.partition("://")[2] else f"{endpoint.url}/"


def _way(client: Client, endpoint: Endpoint) -> tuple[Proxy | None, Trust | None]:
    """Proxy and certificates on the way to an endpoint."""
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


def _failure(call: Call, response: Response, said: AwsAnswer | None) -> DsopsError:
    """The error for an answer that is not 200."""
    endpoint = call.endpoint
    if said is not None and is_throttling(said):
        return throttled(endpoint.short, said.message, said)
    if said is not None and is_transient(said):
        message = f"{endpoint.short} failed to {call.doing}"
        return ServiceError(message, why=said.message, hint="try again", aws=said)
    if said is not None:
        return call.refusal(said, call.doing) or as_error(said, call.doing, call.credentials, endpoint.signing_region)
    return _unreadable(call, response)


def _unreadable(call: Call, response: Response) -> DsopsError:
    """The error for an answer in which AWS says nothing: a load balancer's, a proxy's, somebody else's."""
    endpoint, status = call.endpoint, response.status
    if status == 429:
        return throttled(endpoint.short)
    if status >= 500:
        return ServiceError(f"{endpoint.short} failed to {call.doing}: it answered {status}", hint="try again")
    if 300 <= status < 400:
        where = "".join(each for each in response.headers.get("location", "") if each.isprintable())
        return AnswerInvalid(
            f"{endpoint.short} redirects instead of answering",
            why=f"it points to {where[:200] or 'nowhere'}, where no credentials are sent",
            hint=f"is {endpoint.url} really the address of {endpoint.service}?",
        )
    return AnswerInvalid(
        f"{endpoint.short} answered {status}, but not as AWS does",
        hint=f"is {endpoint.url} really AWS, or a proxy or something else in its place?",
    )


def _passes(response: Response, said: AwsAnswer | None) -> bool:
    """Whether the same request may succeed in a moment."""
    if said is not None:
        return is_throttling(said) or is_transient(said)
    return response.status == 429 or response.status in TRANSIENT_STATUSES


def _retry_after(response: Response) -> float:
    """Seconds that the server asked to wait for, 0 when it did not; a date is not read (AWS sends none)."""
    value = response.headers.get("retry-after", "")
    return float(value) if value.isascii() and value.isdigit() and len(value) <= 6 else 0.0


def _is_corrected(client: Client, call: Call, response: Response, said: AwsAnswer, used_skew: float) -> bool:
    """Whether the refusal was one of the time, and the next attempt will be signed for the server's."""
    if call.credentials is None or not (is_skew(said) or is_bad_signature(said)):
        return False
    theirs = answers.server_time(response.headers)
    if theirs is None:
        return False
    if client.skew_seconds(call.endpoint) != used_skew:
        # Another call, side by side with this one, has met the same refusal.
        return True
    ahead = (theirs - client.runtime.now()).total_seconds()
    if abs(ahead - used_skew) < _SKEW_SECONDS:
        return False
    if not client.skews and abs(ahead) >= _SKEW_SECONDS:
        minutes, side = f"{abs(ahead) / 60:.0f} minutes", "behind" if ahead > 0 else "ahead of"
        facts = {"minutes": minutes, "side": side, "endpoint": call.endpoint.short}
        client.runtime.report(Event(CLOCK_CORRECTED, facts))
    client.skews[call.endpoint.url] = ahead
    return True
