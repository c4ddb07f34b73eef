"""Calls that the sandbox itself makes: CloudFormation's for a stack, and the page's as the root user."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from dsops.errors import SandboxRefusal
from dsops.request.messages import HttpAnswer, HttpRequest
from dsops.request.wire.errors import refusal
from dsops.request.wire.models import operation_model, protocols
from dsops.request.wire.route import Route
from dsops.sandbox.authorization.caller import Caller, session_caller
from dsops.sandbox.authorization.context import request_context
from dsops.sandbox.authorization.request import AuthenticatedRequest
from dsops.sandbox.cloudtrail.events import Events
from dsops.sandbox.control.operations import Operations
from dsops.sandbox.state.sessions import Issued, SessionTable
from dsops.sandbox.state.world import Role, World
from dsops.sandbox.sts.service_use import ServiceUse

if TYPE_CHECKING:
    from dsops.sandbox.cloudformation.handler import Perform

_CLOUDFORMATION: Final = "cloudformation.amazonaws.com"
_SESSION: Final = "AWSCloudFormation"


class CallSurroundings(NamedTuple):
    """What makes the calls of one sandbox possible."""

    world: World
    sessions: SessionTable
    operations: Operations
    events: Events
    assume: Callable[[HttpRequest, Role, ServiceUse], Issued]
    """Issues a session of a role to a service that the role trusts. Raises SandboxRefusal."""
    new_request_id: Callable[[], str]


class ServiceCalls:
    """Performs calls that no client signed. Callers hold the world's lock."""

    def __init__(self, place: CallSurroundings) -> None:
        self._place = place

    def perform(self, route: Route, turn: AuthenticatedRequest, request: HttpRequest) -> HttpAnswer:
        """Authorize, perform and record a call. `request` is its origin in CloudTrail. Raises SandboxRefusal."""
        try:
            answer = self._place.operations.perform(route, turn)
        except SandboxRefusal as refused:
            self._place.events.add(request, route, turn, {}, refused)
            raise
        self._place.events.add(request, route, turn, {}, None, answer)
        return answer

    def for_stack(self, turn: AuthenticatedRequest, role_arn: str, stack_arn: str) -> Perform:
        """Return how CloudFormation makes the calls for a stack: as the role, or without one as the client.

        Raises ValidationError if CloudFormation may not assume the role.
        """
        headers = {"user-agent": _CLOUDFORMATION, "host": turn.host}
        request = HttpRequest("POST", "/", "", headers, b"", _CLOUDFORMATION)
        via = {f"aws:CalledVia{suffix}": (_CLOUDFORMATION,) for suffix in ("", "First", "Last")}
        caller, keys = turn.caller, {**via, "aws:ViaAWSService": ("true",)}
        if role_arn:
            # A call with a service role does not count as a call on behalf of the client (IAM User Guide,
            # `aws:ViaAWSService`).
            caller, keys = self._as_role(turn, request, role_arn, stack_arn), {}

        def perform(service: str, operation: str, parameters: Mapping[str, object]) -> Mapping[str, Any]:
            context = {**request_context(self._place.world, caller, request, turn.now), **keys}
            # A call by a service does not have the client's address (IAM User Guide, `aws:SourceIp`).
            context.pop("aws:SourceIp", None)
            inner = AuthenticatedRequest(
                caller, operation, parameters, context, turn.now, self._place.new_request_id(), turn.host
            )
            route = Route(service, operation, protocols(service)[0], wants_json=False, fields={}, document={})
            return _result_of(self.perform(route, inner, request), service, operation)

        return perform

    def _as_role(self, turn: AuthenticatedRequest, request: HttpRequest, role_arn: str, stack_arn: str) -> Caller:
        place = self._place
        source = {"aws:SourceAccount": (turn.caller.account,), "aws:SourceArn": (stack_arn,)}
        role = place.world.role_at(role_arn)
        caller = None
        if role is not None and role.account == turn.caller.account:
            try:
                issued = place.assume(request, role, ServiceUse(_CLOUDFORMATION, _SESSION, source))
            except SandboxRefusal:
                issued = None
            session = None if issued is None else place.sessions.get(issued.access_key_id)
            if issued is not None and session is not None:
                caller = session_caller(place.world, session, issued.access_key_id, turn.caller.region)
        if caller is None:
            raise refusal("ValidationError", f"Role {role_arn} is invalid or cannot be assumed")
        return caller


def _result_of(answer: HttpAnswer, service: str, operation: str) -> Mapping[str, Any]:
    """Return the parsed result of a call. Raises SandboxRefusal if it failed."""
    from botocore.parsers import create_parser

    shape = operation_model(service, operation).output_shape
    payload = "" if shape is None or answer.status >= 300 else str(shape.serialization.get("payload", ""))
    is_file = payload != "" and shape.members[payload].type_name == "blob"
    headers = {name.lower(): value for name, value in answer.headers}
    context = {"operation_name": operation}
    # botocore would decode a file as text.
    body = b"" if is_file else answer.body
    response = {"status_code": answer.status, "headers": headers, "body": body, "context": context}
    result: dict[str, Any] = create_parser(protocols(service)[0]).parse(response, shape)
    if is_file:
        result[payload] = answer.body
    if answer.status >= 300:
        error = result.get("Error", {})
        raise refusal(str(error.get("Code", "")), str(error.get("Message", "")), answer.status)
    return result
