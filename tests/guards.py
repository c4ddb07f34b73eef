"""A guard's gate without a server, and a child that signs requests with the placeholder keys."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from dsops.credentials import Credentials
from dsops.guard.caller import caller_of
from dsops.guard.exchange import Forward, RequestHead
from dsops.guard.gate import PolicyGate
from dsops.guard.lookups import unknown_resources
from dsops.guard.placeholder import PlaceholderKeys, new_placeholder
from dsops.policy import LimitingPolicies, parse_policy, shown
from dsops.request.messages import HttpAnswer, HttpRequest
from dsops.request.resources import ResourceResolver
from dsops.request.wire.signature import check_scope, check_signature, read_claim
from dsops.secret import Secret
from dsops.service_reference import ServiceReference, open_reference
from tests.sandboxes import HOST, Keys, Lab, Person, RefusedError, parse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dsops.guard.decision import GuardDecision
    from dsops.guard.destinations import EndpointOverride, Network
    from dsops.guard.gate import Ask

SESSION_ARN = "arn:aws:sts::111111111111:assumed-role/Deploy/run"
REAL = Keys(access_key_id="ASIAREALREALREALREAL", secret_access_key="r" * 40, session_token="real-token")
REFERENCE = open_reference()


def reference() -> ServiceReference:
    """AWS's reference data."""
    assert REFERENCE is not None
    return REFERENCE


def allow(action: object, resource: object = "*", **more: object) -> dict[str, object]:
    """An Allow statement."""
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: object, resource: object = "*", **more: object) -> dict[str, object]:
    """A Deny statement."""
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


def layer_of(*statements: dict[str, object]) -> LimitingPolicies:
    """A set of one policy with these statements."""
    from json import dumps

    text = dumps({"Version": "2012-10-17", "Statement": list(statements)})
    return LimitingPolicies([parse_policy(text, "session", name="policy.json")])


@dataclass(slots=True)
class Guarded:
    """A gate with the real session's keys, and its child."""

    layer: LimitingPolicies
    network: Network = "aws"
    override: EndpointOverride | None = None
    ask: Ask | None = None
    arn: str = SESSION_ARN
    real: Keys = REAL
    seconds_left: float = 3600.0
    clock: float | None = None
    """The gate's time; None for the machine's."""
    placeholder: PlaceholderKeys = field(default_factory=new_placeholder)
    decisions: list[GuardDecision] = field(default_factory=list)
    gate: PolicyGate = field(init=False)

    def __post_init__(self) -> None:
        """Make the gate."""
        self.gate = PolicyGate(
            self.placeholder,
            self._session,
            caller_of(self.arn),
            self.layer,
            reference(),
            network=self.network,
            endpoint_override=self.override,
            now=self.now,
            on_decision=self.decisions.append,
            ask=self.ask,
        )

    def now(self) -> datetime:
        """The gate's time."""
        return datetime.now(UTC) if self.clock is None else datetime.fromtimestamp(self.clock, UTC)

    def _session(self) -> Credentials:
        token = None if self.real.session_token is None else Secret(self.real.session_token)
        expiration = self.now() + timedelta(seconds=self.seconds_left)
        return Credentials(self.real.access_key_id, Secret(self.real.secret_access_key), token, expiration)

    @property
    def keys(self) -> Keys:
        """The placeholder keys."""
        held = self.placeholder
        return Keys(
            access_key_id=held.access_key_id,
            secret_access_key=held.secret_access_key.reveal(),
            session_token=held.session_token.reveal(),
        )

    @property
    def child(self) -> Person:
        """The child, which signs requests with the placeholder keys."""
        return Person(Lab.__new__(Lab), self.keys)

    def request(self, service: str, operation: str, /, **parameters: object) -> HttpRequest:
        """A request of the child."""
        return self.child.request(service, operation, **parameters)

    def send(self, request: HttpRequest, head: RequestHead | None = None) -> Forward | HttpAnswer:
        """Put a request to the gate, as a server does."""
        head = head or direct(request)
        begun = self.gate.begin(head)
        if isinstance(begun, HttpAnswer):
            return begun
        return asyncio.run(self.gate.decide(head, None if begun == "head" else request.body))

    def sent(self, request: HttpRequest, head: RequestHead | None = None) -> Forward:
        """Put a request to the gate, which must send it on."""
        result = self.send(request, head)
        assert isinstance(result, Forward), result
        return result

    def refused(self, service: str, operation: str, /, **parameters: object) -> RefusedError:
        """The error that the child gets for an operation that the gate must refuse."""
        return refusal_of(self.send(self.request(service, operation, **parameters)), service, operation)


def refusal_of(result: Forward | HttpAnswer, service: str, operation: str) -> RefusedError:
    """The error in an answer of the gate, parsed as botocore does."""
    assert isinstance(result, HttpAnswer), result
    try:
        parse(service, operation, result)
    except RefusedError as error:
        return error
    raise AssertionError(f"{operation} was not refused")


def direct(request: HttpRequest) -> RequestHead:
    """The head of a request to the guard as an endpoint."""
    host, _, port = HOST.partition(":")
    pairs = tuple(request.headers.items())
    return RequestHead(
        request.method, request.path, request.query, pairs, host, int(port), False, True, request.peer
    )  # the flags are is_tls and is_direct


def proxied(request: HttpRequest, host: str, port: int = 443) -> RequestHead:
    """The head of a request that came through a tunnel to a host."""
    pairs = tuple(request.headers.items())
    return RequestHead(request.method, request.path, request.query, pairs, host, port, True, False, request.peer)


def arrived(forward: Forward, body: bytes | None = None) -> HttpRequest:
    """The request that AWS receives."""
    path, _, query = forward.target.partition("?")
    names: Sequence[str] = [name for name, _ in forward.headers]
    assert len(names) == len(set(names))
    sent = forward.body if body is None else body
    return HttpRequest(forward.method, path, query, dict(forward.headers), sent or b"", "203.0.113.9")


def check_real(forward: Forward, service: str, body: bytes | None = None, keys: Keys = REAL) -> HttpRequest:
    """Verify the real session's signature as AWS does; return the request with its body decoded."""
    request = arrived(forward, body)
    claim = read_claim(request, datetime.now(UTC).timestamp(), 15)
    check_scope(claim, service)
    assert (claim.access_key_id, claim.session_token) == (keys.access_key_id, keys.session_token)
    return check_signature(request, claim, keys.secret_access_key)


def asked(service: str, operation: str, parameters: Mapping[str, object]) -> list[tuple[str, str]]:
    """The actions and resources of a request, with `*` and `?` for unknown parts."""
    caller = caller_of(SESSION_ARN)._replace(region="us-east-1")
    questions = ResourceResolver(unknown_resources("aws")).questions(service, operation, parameters, caller)
    return [(question.action, shown(question.resource)) for question in questions]
