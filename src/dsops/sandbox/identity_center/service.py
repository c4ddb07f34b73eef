"""The two services of IAM Identity Center in a sandbox, and their shared state."""

from __future__ import annotations

from dsops.errors import SandboxRefusal
from dsops.request.messages import HttpAnswer, HttpRequest, is_loopback
from dsops.request.wire.models import OIDC
from dsops.request.wire.parameters import unchecked_parameters
from dsops.request.wire.route import Route
from dsops.sandbox.clock import MovableClock
from dsops.sandbox.cloudtrail.events import Events
from dsops.sandbox.identity_center.directory import Instance
from dsops.sandbox.identity_center.events import CenterEvents
from dsops.sandbox.identity_center.logins import PortalLogins
from dsops.sandbox.identity_center.oidc import Oidc, Visit
from dsops.sandbox.identity_center.portal import AccessPortal
from dsops.sandbox.identity_center.responses import given, oidc_refusal, refused_answer
from dsops.sandbox.state.rate_limits import Throttle
from dsops.sandbox.state.sessions import SessionTable
from dsops.sandbox.state.world import World

_MAX_BODY = 100_000
"""Maximum size of a request body in bytes; real clients send smaller JSON."""


class IdentityCenter:
    """The sign-in service and the portal of one sandbox.

    If there is no Identity Center instance, clients can only register, as on AWS.
    """

    def __init__(
        self, world: World, sessions: SessionTable, events: Events, throttle: Throttle, clock: MovableClock
    ) -> None:
        self.instance: Instance | None = None
        """The instance from the seed."""
        self.logins = PortalLogins()
        self._clock = clock
        self._throttle = throttle
        self._events = CenterEvents(events)
        self._oidc = Oidc(lambda: self.instance, self.logins)
        self._portal = AccessPortal(lambda: self.instance, self.logins, world, sessions)

    def serve(self, request: HttpRequest, route: Route, request_id: str) -> HttpAnswer:
        """Answer a request to the sign-in service or the portal. Callers must hold `World.lock`."""
        now = self._clock.now()
        instance = self.instance
        try:
            if len(request.body) > _MAX_BODY:
                raise oidc_refusal("InvalidRequestException")
            parameters = unchecked_parameters(route)
            owner, region = ("", "") if instance is None else (instance.owner, instance.region)
            self._throttle.check(route.service, owner, region)
            if route.service == OIDC:
                return self._serve_oidc(request, route, parameters, now, request_id)
            return self._serve_portal(request, route, parameters, now, request_id)
        except SandboxRefusal as refused:
            return refused_answer(route.service, refused)

    def _serve_oidc(
        self, request: HttpRequest, route: Route, parameters: dict[str, object], now: float, request_id: str
    ) -> HttpAnswer:
        visit = Visit(f"http://{request.headers.get('host', '')}", is_loopback(request.peer), now)
        granted = self._oidc.perform(route.operation, parameters, visit)
        if granted.login is not None and self.instance is not None:
            self._events.token_created(
                request, self.instance, granted.login, parameters, granted.content, now, request_id
            )
        return given(granted.content)

    def _serve_portal(
        self, request: HttpRequest, route: Route, parameters: dict[str, object], now: float, request_id: str
    ) -> HttpAnswer:
        instance, login = self._portal.login(parameters, now)
        context = request, instance, login
        try:
            performed = self._portal.perform(route.operation, instance, login, parameters, now)
        except SandboxRefusal as refused:
            self._events.portal_called(*context, route.operation, parameters, refused, now, request_id)
            raise
        self._events.portal_called(*context, route.operation, parameters, None, now, request_id)
        if performed.assumed is not None:
            self._events.role_assumed(*context, performed.assumed, now)
        return given(performed.content)
