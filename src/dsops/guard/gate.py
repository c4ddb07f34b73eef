"""Decide about each request of the guarded command, and sign the allowed ones with the real session."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from datetime import datetime
from hashlib import sha256
from typing import Final, NamedTuple

from dsops.credentials import Credentials
from dsops.errors import SandboxRefusal
from dsops.guard.caller import GuardCaller
from dsops.guard.chunks import ChunkResigner
from dsops.guard.decision import GuardDecision, Judge, Judged, Outcome
from dsops.guard.destinations import EndpointOverride, Network
from dsops.guard.exchange import Begin, Forward, Forwarded, RequestHead, Tunnel
from dsops.guard.hosts import OtherHosts
from dsops.guard.placeholder import PlaceholderKeys
from dsops.guard.reading import as_request, check_unambiguous
from dsops.guard.received import Received, has_streamed_body, may_be_streamed, read_head, read_whole
from dsops.guard.signing import Scope, sign
from dsops.guard.targets import SendTarget, target_of
from dsops.policy import LimitingPolicies
from dsops.request.messages import HttpAnswer, HttpRequest
from dsops.request.wire.error_responses import answer_refusal
from dsops.request.wire.errors import access_denied, answer_of, expired_token
from dsops.request.wire.route import Route
from dsops.request.wire.s3_payload import SIGNED_CHUNKS, SIGNED_WITH_TRAILER
from dsops.service_reference import ServiceReference

Ask = Callable[[GuardDecision], Awaitable[bool]]
"""Asks a person about a request that no policy allows or denies. Returns whether to send it."""
Limit = Callable[[str], str]
"""Counts a request to a region, and returns why it must not be sent; "" if it may be."""
_KEPT_ERROR: Final = 400


class _Work(NamedTuple):
    """A request on its way through the gate."""

    head: RequestHead
    request: HttpRequest | None = None
    route: Route | None = None
    region: str = ""
    judged: Judged | None = None
    is_asked: bool = False


class PolicyGate:
    """The gate of one guarded command.

    - `session`: returns the real session, or None if it can't be renewed
    - `network`: which hosts that are not AWS's the command may reach
    - `endpoint_override`: where all AWS requests go instead of AWS
    - `now`: returns the time, aware and in UTC
    - `on_decision`: receives what became of each AWS request, once it is known
    """

    def __init__(
        self,
        keys: PlaceholderKeys,
        session: Callable[[], Credentials | None],
        caller: GuardCaller,
        policies: LimitingPolicies,
        reference: ServiceReference,
        *,
        network: Network = "aws",
        endpoint_override: EndpointOverride | None = None,
        now: Callable[[], datetime],
        on_decision: Callable[[GuardDecision], None],
        ask: Ask | None = None,
        limit: Limit = lambda _: "",
    ) -> None:
        self._keys = keys
        self._session = session
        self._judge = Judge(policies, caller, reference)
        self._others = OtherHosts(network)
        self._override = endpoint_override
        self._now = now
        self._on_decision = on_decision
        self._ask = ask
        self._limit = limit

    def tunnel(self, host: str, port: int) -> Tunnel | HttpAnswer:
        """Decide about a CONNECT request: AWS's hosts are opened, others are passed or refused."""
        return self._others.tunnel(host, port)

    def begin(self, head: RequestHead) -> Begin | HttpAnswer:
        """Say whether the decision needs the body. Uploads that S3 can check by themselves are decided by the head."""
        if self._others.is_other(head):
            return "head"
        if not may_be_streamed(head):
            return "body"
        try:
            return "head" if has_streamed_body(as_request(head, None), _host(head)) else "body"
        except SandboxRefusal:
            return "body"  # `decide` returns the error for this request

    async def decide(self, head: RequestHead, body: bytes | None) -> Forward | HttpAnswer:
        """Return the request to send with the real session's signature, or AWS's error."""
        if self._others.is_other(head):
            return self._others.forward(head)
        work = _Work(head)
        try:
            request = as_request(head, body)
            work = _Work(head, request)
            received = self._received(request, _host(head), has_body=body is not None)
            work = _Work(head, received.request, received.route, received.claim.region)
            target = target_of(received, head, self._override)
            work = _Work(head, received.request, received.route, target.region)
            work = await self._judged(work, received, target)
            over = self._limit(target.region)
            if over:
                raise access_denied(f"dsops guard: {over}")
            credentials = self._session()
            if credentials is None or credentials.seconds_left(self._now()) <= 0:
                raise expired_token()
            return self._forward(work, received, target, credentials)
        except _DeniedError as denied:
            return self._refuse(denied.work, denied.refusal, "denied")
        except SandboxRefusal as refused:
            return self._refuse(work, refused, "refused")

    def _received(self, request: HttpRequest, host: str, *, has_body: bool) -> Received:
        now = self._now().timestamp()
        read = read_whole if has_body else read_head
        received = read(request, self._keys, now, host)
        check_unambiguous(received.route, received.request)
        return received

    async def _judged(self, work: _Work, received: Received, target: SendTarget) -> _Work:
        """Decide about the actions of the request. Raises SandboxRefusal for the first that is not allowed."""
        approved: set[tuple[str, str]] = set()
        while True:
            judged = self._judge.judge(
                received.route.service,
                received.route.operation,
                received.parameters,
                request=received.request,
                region=target.region,
                now=self._now().timestamp(),
                approved=approved,
            )
            work = _Work(work.head, work.request, work.route, work.region, judged, bool(approved))
            if judged.refusal is None:
                return work
            denied = judged.questions[-1]
            if self._ask is None or judged.is_explicit or (denied.action, denied.resource) in approved:
                raise _DeniedError(work, judged.refusal)
            if not await self._ask(self._decision(work, "denied", answer_of(judged.refusal).message)):
                raise _DeniedError(work, judged.refusal)
            approved.add((denied.action, denied.resource))

    def _forward(self, work: _Work, received: Received, target: SendTarget, credentials: Credentials) -> Forward:
        request = received.request
        is_streamed = received.signed_head is not None
        payload = received.signed_head.payload if received.signed_head else sha256(request.body).hexdigest()
        signed = sign(
            request.method,
            target.path,
            target.query,
            received.headers,
            host=target.authority,
            payload=payload,
            scope=Scope(target.region, received.claim.service),
            also_signed=frozenset(received.claim.signed_headers.split(";")),
            credentials=credentials,
            now=self._now(),
        )
        transform = None
        if received.signed_head is not None and payload in {SIGNED_CHUNKS, SIGNED_WITH_TRAILER}:
            has_trailer = payload == SIGNED_WITH_TRAILER
            transform = ChunkResigner(received.signed_head.chunk_signer, signed.chunk_signer, has_trailer=has_trailer)
        decision = self._decision(work, "allowed", "")

        def done(result: Forwarded) -> None:
            error = result.error or result.refusal[:_KEPT_ERROR].decode("utf-8", "replace")
            self._on_decision(decision._replace(status=result.status, seconds=result.seconds, error=error))

        return Forward(
            target.host,
            target.port,
            target.is_tls,
            f"{target.path}?{target.query}" if target.query else target.path,
            request.method,
            signed.headers,
            None if is_streamed else request.body,
            transform,
            done,
        )

    def _refuse(self, work: _Work, refused: SandboxRefusal, outcome: Outcome) -> HttpAnswer:
        self._on_decision(self._decision(work, outcome, answer_of(refused).message or answer_of(refused).code))
        head = work.head
        request = work.request
        if request is None:
            request = HttpRequest(head.method, head.path, head.query, dict(head.headers), b"", head.peer)
        return answer_refusal(request, work.route, refused, _request_id())

    def _decision(self, work: _Work, outcome: Outcome, reason: str) -> GuardDecision:
        route, judged = work.route, work.judged
        return GuardDecision(
            self._now(),
            "" if route is None else route.service,
            "" if route is None else route.operation,
            work.region,
            work.head.host,
            () if judged is None else judged.questions,
            outcome,
            reason,
            is_asked=work.is_asked,
        )


class _DeniedError(Exception):
    """A policy does not allow the request."""

    def __init__(self, work: _Work, refusal: SandboxRefusal) -> None:
        super().__init__(refusal.message)
        self.work = work
        self.refusal = refusal


def _host(head: RequestHead) -> str:
    """Return the host that the command named; "" for a request to the guard as an endpoint."""
    return "" if head.is_direct else head.host


def _request_id() -> str:
    digits = os.urandom(16).hex()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"
