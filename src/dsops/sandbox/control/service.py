"""The sandbox itself: takes an HTTP request and returns AWS's response.

This module opens no sockets; `server.py` makes the sandbox available on the network.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from dsops.arn import partition_of_region
from dsops.errors import SandboxRefusal
from dsops.request.context import s3_context, unsigned_context
from dsops.request.messages import HttpAnswer, HttpRequest
from dsops.request.question import Context
from dsops.request.wire.error_responses import answer_refusal
from dsops.request.wire.errors import access_denied, answer_of, refusal
from dsops.request.wire.models import CENTER_SERVICES, ROLES_ANYWHERE, TOOLBOX, protocols, signing_name
from dsops.request.wire.parameters import read_parameters
from dsops.request.wire.responses import query_answer
from dsops.request.wire.route import Route, find_route
from dsops.request.wire.s3_requests import anonymous_body, is_anonymous, with_hoisted_headers
from dsops.sandbox.authorization.authorization_records import AuthorizationRecords, with_id
from dsops.sandbox.authorization.authorizer import Authorizer
from dsops.sandbox.authorization.caller import Caller, authenticate, claimed_caller, root_caller
from dsops.sandbox.authorization.context import membership_keys, request_context
from dsops.sandbox.authorization.iam_toolbox import Toolbox, find_toolbox_route
from dsops.sandbox.authorization.request import AuthenticatedRequest
from dsops.sandbox.authorization.stored_resources import StoredResources
from dsops.sandbox.clock import MovableClock
from dsops.sandbox.cloudtrail.events import Events, owner_of_role
from dsops.sandbox.control.metrics import THROTTLING, SandboxMetrics
from dsops.sandbox.control.operations import Operations
from dsops.sandbox.control.service_calls import CallSurroundings, ServiceCalls
from dsops.sandbox.federation.federation import UNSIGNED, Federation, unsigned_caller
from dsops.sandbox.federation.issuers import Issuers
from dsops.sandbox.functions.invocations import INNER_REQUEST, Powers
from dsops.sandbox.functions.service import ServiceActions
from dsops.sandbox.identity_center.route import find_center_route
from dsops.sandbox.identity_center.service import IdentityCenter
from dsops.sandbox.page.places import PolicyPlace
from dsops.sandbox.roles_anywhere.route import CREATE_SESSION, find_anywhere_route
from dsops.sandbox.roles_anywhere.service import RolesAnywhere
from dsops.sandbox.seed.model import Seed
from dsops.sandbox.services.kms_denials import is_through_service
from dsops.sandbox.services.s3_form_policies import check_form, form_claim, form_context
from dsops.sandbox.services.s3_forms import POST_OBJECT, find_form_route, form_answer, put_request, read_form
from dsops.sandbox.state.identifiers import new_request_id
from dsops.sandbox.state.kms_keys import KeyStore
from dsops.sandbox.state.probe import probe
from dsops.sandbox.state.rate_limits import Throttle
from dsops.sandbox.state.secrets import SecretStorage
from dsops.sandbox.state.sessions import Issued, SessionTable
from dsops.sandbox.state.world import Role, World
from dsops.sandbox.sts.assume_role import check_role_arn
from dsops.sandbox.sts.issuing import HOUR
from dsops.sandbox.sts.service_use import ServiceUse
from dsops.sandbox.sts.sts import StsService

if TYPE_CHECKING:
    from dsops.sandbox.cloudformation.operations import CloudFormation


class Answered(NamedTuple):
    """A response, and the request id under which events and decisions are recorded."""

    answer: HttpAnswer
    request_id: str
    service: str = ""
    """The service that was called; "" if the request named no service."""


class Sandbox:
    """One local AWS. A process can have only one at a time, because moto's backends are global to the process."""

    def __init__(self, clock: MovableClock | None = None, kept_events: int = 10_000) -> None:
        self.clock = clock or MovableClock()
        self._kept_events = kept_events
        self.seed: Seed | None = None
        """What the sandbox was filled with, with the keys that were generated; None before that."""
        self._empty()

    def empty(self) -> None:
        """Drop all accounts, sessions, decisions and events. The clock and a trail's folder stay as they are."""
        trail, host = self.events.trail, self.functions.host
        self._empty()
        self.events.trail = trail
        if host is not None:
            self.functions.run_on(host)

    def _empty(self) -> None:
        self.region = "us-east-1"
        """The region of secrets for which a seed sets no region, and the default region of clients."""
        self.default_account = ""
        self.default_identity = "admin"
        self.world = World()
        probe(self.world)
        self.secret_storage = SecretStorage(self.world)
        self.keys = KeyStore(self.world)
        self.sessions = SessionTable()
        self.judge = Authorizer(self.world)
        self.authorization_records = AuthorizationRecords(self.world.organizations)
        self.events = Events(self._kept_events)
        self.metrics = SandboxMetrics(self.clock.wall(), lambda: len(self.sessions), lambda: self.events.added)
        self.events.watch = self.metrics.called
        self.throttle = Throttle()
        self.sts = StsService(self.world, self.sessions, self.judge)
        self.issuers = Issuers()
        self.identity_center = IdentityCenter(self.world, self.sessions, self.events, self.throttle, self.clock)
        self._federation = Federation(self.world, self.sessions, self.judge, self.issuers)
        self.roles_anywhere = RolesAnywhere(self.world, self.sts, self.events, self.throttle, self.clock)
        assume = partial(self.assume_for_service, INNER_REQUEST)
        powers = Powers(self.world, self.sessions, self.clock, assume, self._act)
        self.functions = ServiceActions(
            powers, self.judge, StoredResources(self.world, self.secret_storage), self.events
        )
        self._operations = Operations(
            self.world, self.secret_storage, self.judge, self.sts.outbound, self.roles_anywhere, self.functions
        )
        self._toolbox = Toolbox(self.authorization_records, self.judge)
        self._calls = ServiceCalls(
            CallSurroundings(
                self.world, self.sessions, self._operations, self.events, self.assume_for_service, new_request_id
            )
        )
        self._stacks: CloudFormation | None = None
        self._operations.serve("cloudformation", self._perform_stacks)

    @property
    def has_stacks(self) -> bool:
        """Whether CloudFormation was called."""
        return self._stacks is not None

    def move_clock(self, now: float, *, is_frozen: bool | None = None) -> None:
        """Set the clock. `is_frozen` freezes or unfreezes the clock; None leaves it frozen or running as before."""
        if self.events.trail is not None:
            # Log files that are due before the clock changes are written first.
            self.events.trail.deliver()
        before = self.clock.now()
        self.clock.set(now)
        if is_frozen is not None:
            self.clock.freeze(is_frozen=is_frozen)
        if self.clock.now() < before:
            # If MFA codes were used at a time that is later than the new time, they become valid again.
            self.world.forget_used_codes()

    def maintain(self) -> None:
        """Perform due work that no request triggers (queues, log delivery). The server calls this regularly."""
        if self.functions.host is not None:
            with self.world.lock:
                self.functions.queues.read_all()
        if self.events.trail is not None:
            with self.world.lock:
                self.events.trail.deliver_due()

    def close(self) -> None:
        """Kill running functions, deliver the remaining log files and close the trail. No request must follow."""
        self.functions.close()
        if self.events.trail is not None:
            with self.world.lock:
                self.events.trail.close()
                self.events.trail = None

    def handle(self, request: HttpRequest) -> Answered:
        """Return AWS's response to any request."""
        request_id, begun = new_request_id(), monotonic()
        route: Route | None = None
        result = ""
        try:
            route_or_answer = (
                find_center_route(request)
                or find_toolbox_route(request)
                or find_anywhere_route(request)
                or find_form_route(request)
                or find_route(request)
            )
            if isinstance(route_or_answer, HttpAnswer):
                return Answered(route_or_answer, request_id)
            route = route_or_answer
            with self.world.lock:
                if route.service in CENTER_SERVICES:
                    answer = self.identity_center.serve(route.request or request, route, request_id)
                elif (route.service, route.operation) == (ROLES_ANYWHERE, CREATE_SESSION):
                    answer = self.roles_anywhere.create_session(request, request_id)
                elif route.operation == POST_OBJECT:
                    answer = self._serve_form(request, request_id)
                else:
                    answer = self._serve(request, route, request_id)
                self.functions.queues.read_filled()
        except SandboxRefusal as refused:
            answer = answer_refusal(request, route, refused, request_id)
            result = "throttled" if answer_of(refused).code in THROTTLING else ""
        service, operation = ("", "") if route is None else (route.service, route.operation)
        result = result or ("failed" if answer.status >= 500 else "refused" if answer.status >= 400 else "ok")
        self.metrics.answered(service, operation, result, monotonic() - begun)
        return Answered(answer, request_id, service)

    def _serve(self, request: HttpRequest, route: Route, request_id: str) -> HttpAnswer:
        if route.service == "sts" and route.operation in UNSIGNED:
            return self._serve_unsigned(request, route, request_id)
        if route.service == "sts" and route.operation not in self.sts.operations:
            # AWS has this operation, so the error `InvalidAction` would be wrong.
            message = f"The dsops sandbox does not serve sts:{route.operation}."
            raise refusal("NotImplemented", message, 501)
        now = self.clock.now()
        sent = request
        if route.service == "s3" and is_anonymous(request):
            # Unsigned requests are allowed here, because a bucket policy may allow anonymous callers.
            caller = unsigned_caller(self.region, partition_of_region(self.region).name)
            request = anonymous_body(request)
            context = unsigned_context(self.region, request, now)
        else:
            caller, request = authenticate(
                request, signing_name(route.service), self.world, self.sessions, now=now, wall=self.clock.wall()
            )
            context = request_context(self.world, caller, request, now)
        if route.service == "s3":
            context |= s3_context(sent, self.clock.wall())
        if route.request is not None:
            route = route._replace(request=with_hoisted_headers(request) if route.service == "s3" else request)
        return self._perform(request, route, caller, context, now, request_id)

    def _serve_form(self, request: HttpRequest, request_id: str) -> HttpAnswer:
        """Store the file of a form in a bucket. The form has the signature, or none."""
        now, wall, form = self.clock.now(), self.clock.wall(), read_form(request)
        claim = form_claim(form) if form.is_signed else None
        if claim is None:
            caller = unsigned_caller(self.region, partition_of_region(self.region).name)
            context = unsigned_context(self.region, request, now)
        else:
            caller, secret = claimed_caller(claim, self.world, self.sessions, now)
            check_form(form, claim, secret, wall)
            context = request_context(self.world, caller, request, now)
        put = put_request(form, request)
        route = find_route(put)
        if isinstance(route, HttpAnswer) or (route.service, route.operation) != ("s3", "PutObject"):
            raise refusal("MalformedPOSTRequest", "")
        context |= form_context(claim, wall)
        return form_answer(form, request, self._perform(put, route, caller, context, now, request_id))

    def _perform(
        self, request: HttpRequest, route: Route, caller: Caller, context: Context, now: float, request_id: str
    ) -> HttpAnswer:
        """Perform the operation for an authenticated caller, and record it. Raises SandboxRefusal."""
        host = request.headers.get("host", "")
        parameters: dict[str, object] = {}
        turn = AuthenticatedRequest(caller, route.operation, parameters, context, now, request_id, host)
        try:
            self.throttle.check(route.service, caller.account, caller.region)
            if route.operation == "AssumeRole":
                check_role_arn(route.fields)
            parameters |= read_parameters(route)
            if route.service == "sts":
                result = self.sts.perform(turn)
                answer = query_answer("sts", turn.operation, result, request_id, as_json=route.wants_json)
            elif route.service == TOOLBOX:
                result, answer = {}, self._toolbox.perform(turn)
            else:
                result, answer = {}, self._operations.perform(route, turn)
        except SandboxRefusal as refused:
            # CloudTrail records the authorization id too, so that users can look up the decision by a record (seen on
            # AWS, September 2026).
            refusal_with_id = self._with_id(route, turn, refused)
            self.events.add(request, route, turn, {}, refusal_with_id)
            raise self._with_message(route, turn, refusal_with_id) from refused
        self.events.add(request, route, turn, result, None, answer)
        return answer

    def _with_id(self, route: Route, turn: AuthenticatedRequest, refused: SandboxRefusal) -> SandboxRefusal:
        """Return the refusal, with an authorization id if a policy denied it and the seed enables such ids."""
        aws = answer_of(refused)
        caller, decisions = turn.caller, self.judge.decisions_of(turn.request_id)
        if aws.code != "AccessDenied" or is_through_service(route.service, decisions):
            return refused
        authorization_id = self.authorization_records.note(route.service, caller.region, decisions)
        return (
            access_denied(with_id(aws.message, authorization_id, caller.region, caller.partition))
            if authorization_id
            else refused
        )

    def _with_message(self, route: Route, turn: AuthenticatedRequest, refused: SandboxRefusal) -> SandboxRefusal:
        """Return the refusal; add the encoded authorization message if EC2 denied an operation other than Describe*."""
        aws = answer_of(refused)
        if route.service != "ec2" or aws.code != "AccessDenied" or route.operation.startswith("Describe"):
            return refused
        last_decision = self.judge.decisions[-1]
        if last_decision.request_id != turn.request_id:
            return refused
        message = self.sts.messages.encode(last_decision.decision)
        return access_denied(f"{aws.message}. Encoded authorization failure message: {message}")

    def _serve_unsigned(self, request: HttpRequest, route: Route, request_id: str) -> HttpAnswer:
        """Perform an operation that needs no signature: its token or assertion identifies the caller."""
        now, region = self.clock.now(), self.region
        turn = AuthenticatedRequest(
            unsigned_caller(region, partition_of_region(region).name),
            route.operation,
            read_parameters(route),
            unsigned_context(region, request, now),
            now,
            request_id,
        )
        try:
            owner = owner_of_role(turn)
            # The ARN can contain any account id, so rate limits are counted only for accounts that exist.
            self.throttle.check(route.service, owner if owner in self.world.partitions else "", region)
            turn, proof = self._federation.prove(turn)
            result = self._federation.assume(turn, proof)
        except SandboxRefusal as refused:
            self.events.add(request, route, turn, {}, refused)
            raise
        self.events.add(request, route, turn, result, None)
        return query_answer("sts", turn.operation, result, request_id, as_json=route.wants_json)

    def store_as_root(self, request: HttpRequest, place: PolicyPlace, text: str) -> HttpAnswer:
        """Store a policy document as the account's root user does; CloudTrail records this call of the root user.

        `request` is the page's request. Raises SandboxRefusal if AWS would refuse the document. The caller must hold
        the world's lock.
        """
        caller = root_caller(self.world, place.account, "", place.region or self.region, None)
        turn = AuthenticatedRequest(
            caller, place.operation, place.with_text(text), {}, self.clock.now(), new_request_id()
        )
        protocol = protocols(place.service)[0]
        route = Route(place.service, place.operation, protocol, wants_json=False, fields={}, document={})
        return self._calls.perform(route, turn, request)

    def _act(self, caller: Caller, service: str, operation: str, parameters: Mapping[str, object]) -> HttpAnswer:
        """Perform an operation that a service sends as a caller. The caller must hold the world's lock."""
        now = self.clock.now()
        context = request_context(self.world, caller, INNER_REQUEST, now)
        turn = AuthenticatedRequest(caller, operation, parameters, context, now, new_request_id())
        route = Route(service, operation, protocols(service)[0], wants_json=False, fields={}, document={})
        return self._calls.perform(route, turn, INNER_REQUEST)

    def _perform_stacks(self, turn: AuthenticatedRequest, _account: str, _resource: str) -> HttpAnswer:
        # Loaded when it is first used, because most runs create no stack.
        from dsops.sandbox.cloudformation.operations import CloudFormation

        self._stacks = self._stacks or CloudFormation(self._calls.for_stack)
        return query_answer("cloudformation", turn.operation, self._stacks.perform(turn), turn.request_id)

    def assume_for_service(self, request: HttpRequest, role: Role, use: ServiceUse) -> Issued:
        """Issue a role session to an AWS service, recorded as the service's own AssumeRole call.

        Raises SandboxRefusal if AWS would refuse the request.
        """
        now, request_id, region = self.clock.now(), new_request_id(), self.region
        parameters: dict[str, object] = {
            "RoleArn": role.arn,
            "RoleSessionName": use.session_name,
            "DurationSeconds": HOUR,
        }
        if use.tags:
            parameters["Tags"] = [{"Key": key, "Value": value} for key, value in use.tags]
            parameters["TransitiveTagKeys"] = [key for key, _ in use.tags]
        context = {
            "aws:PrincipalIsAWSService": ("true",),
            "aws:PrincipalServiceName": (use.service,),
            "aws:PrincipalServiceNamesList": (use.service,),
            **use.source,
        }
        if self.world.organizations.are_used:
            context |= membership_keys(self.world.organizations.membership(role.account), "Source")
        caller = self.sts.service_caller(role, use.service, region)
        turn = AuthenticatedRequest(caller, "AssumeRole", parameters, context, now, request_id)
        route = Route("sts", turn.operation, "query", wants_json=False, fields={}, document={})
        try:
            issued, result = self.sts.issue_to_service(turn, role, use.session_keys)
        except SandboxRefusal as refused:
            self.events.add(request, route, turn, {}, refused)
            raise
        self.events.add(request, route, turn, result, None)
        return issued
