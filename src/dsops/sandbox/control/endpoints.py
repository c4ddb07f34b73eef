"""The control endpoints `/_sandbox/...`, for clients on this machine and for the sandbox's own page."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from importlib.resources import files
from urllib.parse import parse_qs, unquote

from dsops.openmetrics import CONTENT_TYPE
from dsops.request.context import iso_time
from dsops.request.messages import HttpAnswer, HttpRequest
from dsops.sandbox.control.console import Console
from dsops.sandbox.control.decision_endpoints import DecisionEndpoints, whole_number
from dsops.sandbox.control.gate import why_not_answered
from dsops.sandbox.control.policy_endpoints import PolicyEndpoints
from dsops.sandbox.control.question_endpoints import QuestionEndpoints
from dsops.sandbox.control.saml_endpoints import SamlResponses
from dsops.sandbox.control.saving import save
from dsops.sandbox.control.service import Sandbox
from dsops.sandbox.control.service_roles import ServiceRoles, find_role
from dsops.sandbox.control.setup import plant_again
from dsops.sandbox.control.token_endpoints import TokenEndpoints
from dsops.sandbox.control.world_endpoints import WorldEndpoints
from dsops.sandbox.identity_center.oidc import DEVICE_PATH
from dsops.sandbox.identity_center.pages import AUTHORIZE_PATH, Pages
from dsops.sandbox.page.files import is_page_file, page_file
from dsops.sandbox.state.rate_limits import read_rate, why_not_limited
from dsops.sandbox.state.world import User
from dsops.sandbox.sts import totp

PREFIX = "/_sandbox/"
_JSON = (("Content-Type", "application/json"), ("Cache-Control", "no-store"))
_APART = (("X-Content-Type-Options", "nosniff"), ("Cross-Origin-Resource-Policy", "same-origin"))
"""Headers with which a browser gives nothing of a response to another site's page that loads it as script or image."""
_LAST_MOMENT = datetime(9000, 1, 1, tzinfo=UTC).timestamp()

_BOTH = ("GET", "POST")

Parameters = Mapping[str, str]
Endpoint = Callable[[HttpRequest], HttpAnswer]


class Control:
    """The control endpoints of one sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        roles = ServiceRoles(sandbox)
        self.container_token = roles.token
        """The token that requests for container credentials must send in the Authorization header."""
        self.page_token = secrets.token_urlsafe()
        """The token of the sandbox's page, which is part of the page's link."""
        self.tokens = TokenEndpoints(sandbox)
        decisions = DecisionEndpoints(sandbox)
        policies, world = PolicyEndpoints(sandbox, decisions), WorldEndpoints(sandbox)
        questions = QuestionEndpoints(sandbox, decisions)
        self._decisions = decisions
        self._pages = Pages(sandbox.identity_center, sandbox.world, sandbox.clock)
        saml = SamlResponses(sandbox)
        self._whole: dict[str, dict[str, Endpoint]] = {
            "health": {"GET": self._locked(self._health)},
            "clock": {"GET": self._locked(self._health), "POST": self._move_clock},
            "reset": {"POST": self._locked(self._reset)},
            "seed": {"GET": lambda _: _answer(200, save(sandbox)._asdict())},
            "throttle": {"GET": self._locked(self._throttle), "POST": self._set_throttle},
            "events": {"GET": self._locked(self._events)},
            "metrics": {"GET": self._locked(self._metrics)},
            "openapi.yaml": {"GET": _description},
            "decisions": {"GET": self._locked(lambda query: _answer(*decisions.latest(query)))},
            "ask": {"POST": lambda request: _answer(*questions.ask(request))},
            "policy": {"POST": lambda request: _answer(*policies.edit(request))},
            "world": {"GET": lambda request: _answer(*world.principals(request))},
            "links": {"GET": lambda request: _answer(*world.links(request))},
            "way": {"GET": lambda request: _answer(*world.way(request))},
            "identity": {"GET": self._locked(self._identity)},
            "totp": {"GET": self._locked(self._totp)},
            "token": {"POST": lambda request: _answer(*self.tokens.mint(request))},
            "saml": {
                "GET": lambda request: _answer(*saml.metadata(request)),
                "POST": lambda request: _answer(*saml.mint(request)),
            },
            "github": {"GET": lambda request: _answer(*self.tokens.github(request))},
            "trade-in-token": {"POST": lambda request: _answer(*self.tokens.trade_in(request))},
            "context": {"POST": lambda request: _answer(*self.tokens.context(request))},
            "function": {"POST": lambda request: _answer(*roles.function(request))},
            "federation": {"GET": Console(sandbox).answer},
            **dict.fromkeys((AUTHORIZE_PATH, DEVICE_PATH.removeprefix(PREFIX)), dict.fromkeys(_BOTH, self._sign_in)),
            "logins": {"GET": lambda _: _answer(*self._pages.waiting())},
            "approve": {"POST": lambda request: _answer(*self._pages.approve(request))},
        }
        """Name -> method -> endpoint."""
        self._below: dict[str, Callable[[str, HttpRequest], HttpAnswer]] = {
            "container-credentials": lambda rest, request: _answer(*roles.task(unquote(rest), request)),
            "pod-credentials": lambda rest, request: _answer(*roles.pod(unquote(rest), request)),
            "outbound": self._outbound,
            "decisions": lambda number, _: _answer(*decisions.one(whole_number(number))),
        }
        """First part of a name -> endpoint for GET, which is called with the rest of the name."""

    @property
    def described(self) -> dict[str, tuple[str, ...]]:
        """The methods of each endpoint, by path; a path with a variable part ends with `/`."""
        whole = {name: tuple(methods) for name, methods in self._whole.items()}
        return whole | dict.fromkeys((f"{name}/" for name in self._below), ("GET",))

    def handle(self, request: HttpRequest) -> HttpAnswer:
        """Answer a request for a control endpoint (its path begins with PREFIX) or for a sign-in page."""
        reason = why_not_answered(request, self.page_token)
        if is_page_file(request) and not reason:
            return page_file(request)
        answer = _answer(403, {"error": reason}) if reason else self._dispatch(request)
        names = {name for name, _ in answer.headers}
        return answer._replace(headers=(*answer.headers, *(header for header in _APART if header[0] not in names)))

    def _dispatch(self, request: HttpRequest) -> HttpAnswer:
        name = request.path.removeprefix(PREFIX)
        kind, _, rest = name.partition("/")
        methods = self._whole.get(name, {})
        if rest and kind in self._below:
            methods = {"GET": partial(self._below[kind], rest)}
        if not methods:
            return _answer(404, {"error": f"there is no {PREFIX}{name}"})
        if request.method not in methods:
            refused = _answer(405, {"error": f"{PREFIX}{name} takes {' and '.join(methods)} only"})
            return refused._replace(headers=(("Allow", ", ".join(methods)), *refused.headers))
        return methods[request.method](request)

    def _locked(self, endpoint: Callable[[Parameters], HttpAnswer]) -> Endpoint:
        """Return the endpoint as a function of the request that holds the world's lock."""

        def answer(request: HttpRequest) -> HttpAnswer:
            query = {key: values[0] for key, values in parse_qs(request.query).items()}
            with self._sandbox.world.lock:
                return endpoint(query)

        return answer

    def _sign_in(self, request: HttpRequest) -> HttpAnswer:
        """Answer a request for a page on which a user signs in to IAM Identity Center."""
        return self._pages.answer(request)

    def _health(self, _: Parameters) -> HttpAnswer:
        clock = self._sandbox.clock
        return _answer(200, {"status": "ok", "now": iso_time(clock.now()), "is_frozen": clock.is_frozen})

    def _move_clock(self, request: HttpRequest) -> HttpAnswer:
        """Move or freeze the clock.

        The body has one or more of `{"advance_seconds": 30}`, `{"now": "2026-07-13T10:00:00Z"}`, `{"frozen": true}`.
        """
        with self._sandbox.world.lock:
            try:
                moment, is_frozen = _clock_setting(json.loads(request.body), self._sandbox.clock.now())
            except (ValueError, TypeError, OverflowError, RecursionError):
                message = 'send {"advance_seconds": 30}, {"now": "2026-07-13T10:00:00Z"} or {"frozen": true}'
                return _answer(400, {"error": message})
            self._sandbox.move_clock(moment, is_frozen=is_frozen)
            return self._health({})

    def _reset(self, _: Parameters) -> HttpAnswer:
        """Take the sandbox back to its seed."""
        sandbox = self._sandbox
        plant_again(sandbox)
        self._decisions.forget_asked()
        self._pages = Pages(sandbox.identity_center, sandbox.world, sandbox.clock)
        return self._health({})

    def _throttle(self, _: Parameters) -> HttpAnswer:
        return _answer(200, {"requests_per_second": self._sandbox.throttle.rates})

    def _set_throttle(self, request: HttpRequest) -> HttpAnswer:
        """Set requests per second for each account and region, such as `{"sts": 5}`; a rate of 0 removes the limit."""
        try:
            wish = json.loads(request.body)
            rates = {str(service): read_rate(str(rate)) for service, rate in wish.items()}
        except (ValueError, AttributeError, RecursionError):
            rates = {}
        limits = {service: rate for service, rate in rates.items() if rate is not None}
        if not rates or len(limits) < len(rates):
            return _answer(400, {"error": 'send {"sts": 5}: requests a second, and 0 for no limit'})
        for why in filter(None, map(why_not_limited, limits)):
            return _answer(400, {"error": why})
        with self._sandbox.world.lock:
            self._sandbox.throttle.limit(limits)
            return self._throttle({})

    def _outbound(self, name: str, request: HttpRequest) -> HttpAnswer:
        """Serve `ACCOUNT/.well-known/...`, the documents with which a service verifies GetWebIdentityToken's tokens."""
        account, _, document = name.partition("/")
        outbound = self._sandbox.sts.outbound
        with self._sandbox.world.lock:
            if outbound.issuer(account) is None:
                return _answer(404, {"error": f"account {account} has no outbound web identity federation"})
            if document == ".well-known/jwks.json":
                return _answer(200, outbound.key_set())
            if document == ".well-known/openid-configuration":
                base = f"http://{request.headers['host']}{PREFIX}outbound/{account}"
                return _answer(200, outbound.discovery(account, base))
        return _answer(404, {"error": f"there is no {PREFIX}outbound/{name}"})

    def _totp(self, query: Parameters) -> HttpAnswer:
        serial = query.get("serial", "")
        device = self._sandbox.world.virtual_mfa_device(serial)
        if device is None:
            return _answer(404, {"error": f"there is no MFA device {serial}"})
        now = self._sandbox.clock.now()
        left = totp.STEP_SECONDS - int(now) % totp.STEP_SECONDS
        return _answer(200, {"serial": serial, "code": totp.code_at(device.seed, now), "seconds_left": left})

    def _identity(self, query: Parameters) -> HttpAnswer:
        role = query.get("container_role", "")
        if role and find_role(self._sandbox, role) is None:
            return _answer(404, {"error": f"there is no role {role}"})
        name = query.get("as") or self._sandbox.default_identity
        user = find_user(self._sandbox, name)
        if user is None:
            return _answer(404, {"error": f"there is no user {name}"})
        keys = self._sandbox.world.keys_of(user)
        if not keys:
            return _answer(404, {"error": f"user {name} has no active access key"})
        key_id, secret = keys[0]
        return _answer(
            200,
            {
                "Arn": user.arn,
                "AccessKeyId": key_id,
                "SecretAccessKey": secret,
                "Region": self._sandbox.region,
                "ContainerToken": self.container_token,
                "GitHubToken": self.tokens.github_token,
            },
        )

    def _events(self, query: Parameters) -> HttpAnswer:
        """Return events in CloudTrail's file format.

        The response contains `next`. A client that sends this value as `after` in its next request gets only later
        events.
        """
        events = self._sandbox.events
        after, last = whole_number(query.get("after", "")), whole_number(query.get("last", ""))
        records = list(events.records(after, query.get("account", ""), last))
        return _answer(200, {"Records": records, "next": events.added})

    def _metrics(self, _: Parameters) -> HttpAnswer:
        headers = (("Content-Type", CONTENT_TYPE), ("Cache-Control", "no-store"))
        return HttpAnswer(200, headers, self._sandbox.metrics.registry.text().encode())


def _description(_: HttpRequest) -> HttpAnswer:
    headers = (("Content-Type", "application/yaml"), ("Cache-Control", "no-store"))
    return HttpAnswer(200, headers, (files(__package__) / "openapi.yaml").read_bytes())


def find_user(sandbox: Sandbox, name: str) -> User | None:
    """Find a user by `NAME@ACCOUNT` or `NAME`.

    A bare name means a user of the default account, or else the only user of that name in all accounts.
    """
    name, _, account = name.partition("@")
    if account:
        return sandbox.world.user_named(account, name)
    default_user = sandbox.world.user_named(sandbox.default_account, name)
    if default_user is not None:
        return default_user
    candidates = [sandbox.world.user_named(account, name) for account in sandbox.world.partitions]
    users = [user for user in candidates if user is not None]
    return users[0] if len(users) == 1 else None


def _clock_setting(wish: object, now: float) -> tuple[float, bool | None]:
    """Return the new time, and whether to freeze the clock (None: stay frozen or running as before).

    Raises ValueError for an invalid request.
    """
    if not isinstance(wish, dict) or not wish or set(wish) - {"advance_seconds", "now", "frozen"}:
        raise ValueError("not a wish")
    is_frozen = wish.get("frozen")
    if is_frozen not in {None, True, False}:
        raise ValueError("frozen is true or false")
    moment = (_moment(wish["now"]) if "now" in wish else now) + float(wish.get("advance_seconds", 0))
    if not 0 <= moment <= _LAST_MOMENT:
        raise ValueError("no clock shows that")
    return moment, is_frozen


def _moment(text: object) -> float:
    if isinstance(text, int | float) and not isinstance(text, bool):
        return float(text)
    moment = datetime.fromisoformat(str(text))
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _answer(status: int, content: object) -> HttpAnswer:
    return HttpAnswer(status, _JSON, json.dumps(content).encode() + b"\n")
