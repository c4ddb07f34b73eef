"""Sign-in pages on which a user allows or denies a login, and endpoints with which programs do so.

Clients send a browser to `/authorize` (RFC 6749, 4.1), or the user types the client's code at `/_sandbox/device` (RFC
8628, 3.3). The pages ask for no password: the user selects an identity. For that reason, two rules apply:

- The pages can be opened only from this machine, like all pages of `/_sandbox/`.
- A form is accepted only if these pages sent it (CSRF protection).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qs, urlencode, urlsplit

from dsops.errors import nearest
from dsops.request.messages import HttpAnswer, HttpRequest
from dsops.request.wire.route import signed_for
from dsops.sandbox.clock import MovableClock
from dsops.sandbox.identity_center.directory import Instance
from dsops.sandbox.identity_center.html import (
    AccessRequest,
    code_page,
    decided_page,
    form_page,
    html_answer,
    refused_page,
)
from dsops.sandbox.identity_center.logins import CODE_SECONDS, SESSION_SECONDS, PortalLogins, plain_code
from dsops.sandbox.identity_center.oidc import AUTHORIZATION_CODE, DEVICE_PATH, is_same_redirect
from dsops.sandbox.identity_center.records import AuthorizationCode, RegisteredClient
from dsops.sandbox.identity_center.service import IdentityCenter
from dsops.sandbox.state.world import World

AUTHORIZE_PATH = "/authorize"
_NO_CENTER = "this sandbox has no Identity Center: its seed has no `identity_center`"
_NOBODY_WAITS = "no login is pending for that code: it is wrong, already decided, or older than ten minutes"
_TYPE_AGAIN = (
    "No login is pending for that code. The code is wrong, was already used, or is older than ten minutes. Compare it "
    "with the code that the program shows and type it again, or start the login again in the program to get a new code."
)
_CHALLENGES = range(43, 129)  # the allowed lengths of a PKCE challenge (RFC 7636, 4.2)

_CHOOSE_USER = "Go back, and choose one of the users that the page offers."

Query = Mapping[str, str]
Said = tuple[int, Mapping[str, object]]
"""HTTP status and JSON content of a response."""


class _Wish(NamedTuple):
    """A valid authorization request."""

    client: RegisteredClient
    redirect_uri: str
    state: str
    challenge: str
    scopes: tuple[str, ...]

    @property
    def denied(self) -> str:
        """The redirect URL that tells the client that the user denied the request."""
        return _with_query(self.redirect_uri, {"error": "access_denied", "state": self.state})


class _Unwanted(NamedTuple):
    """An invalid authorization request."""

    why: str
    address: str = ""
    """The redirect URL that reports the error to the client; "" if the error must not be reported to the client."""


class Pages:
    """The sign-in pages and endpoints of one Identity Center instance."""

    def __init__(self, center: IdentityCenter, world: World, clock: MovableClock) -> None:
        self._center = center
        self._world = world
        self._clock = clock

    @staticmethod
    def serves(request: HttpRequest) -> bool:
        """Whether the request is for the authorization page or the device page."""
        # A bucket may be named `authorize`, but a request to a bucket has no client_id.
        is_asked = request.path == AUTHORIZE_PATH and "client_id=" in request.query and not signed_for(request)
        return is_asked or request.path == DEVICE_PATH

    def answer(self, request: HttpRequest) -> HttpAnswer:
        """Return the requested page, or a redirect after a decision."""
        with self._world.lock:
            instance = self._center.instance
            if instance is None:
                return refused_page(404, _NO_CENTER, "Add `identity_center` to the seed, and start the sandbox again.")
            form = _first_values(request.body.decode("utf-8", "replace")) if request.method == "POST" else {}
            if request.path == AUTHORIZE_PATH:
                return self._authorize(instance, request, form)
            return self._device(instance, _first_values(request.query), form)

    def _authorize(self, instance: Instance, request: HttpRequest, form: Query) -> HttpAnswer:
        query = _first_values(request.query)
        wish = self._wish(query)
        if isinstance(wish, _Unwanted):
            return _redirect(wish.address) if wish.address else refused_page(400, wish.why)
        user = form.get("user", "") or instance.auto_approve
        if request.method == "GET" and not instance.auto_approve:
            target = f"{AUTHORIZE_PATH}?{urlencode(query)}"
            request_of_client = AccessRequest(wish.client.name, wish.scopes, SESSION_SECONDS)
            return form_page(request_of_client, list(instance.users), target)
        if form.get("answer") == "deny":
            return _redirect(wish.denied)
        if user not in instance.users:
            return refused_page(400, f"there is no user {user}", _CHOOSE_USER)
        return _redirect(self._grant(wish, user))

    def _device(self, instance: Instance, query: Query, form: Query) -> HttpAnswer:
        if not form:
            return self._device_form(instance, query.get("user_code", ""))
        is_denied = form.get("answer") == "deny"
        user = "" if is_denied else form.get("user", "")
        if not is_denied and user not in instance.users:
            return refused_page(400, f"there is no user {user}", _CHOOSE_USER)
        decided = self._logins.decide(form.get("user_code", ""), user, self._clock.now())
        if decided is None:
            return code_page(form.get("user_code", ""), problem=_TYPE_AGAIN, status=404)
        client = self._logins.client(decided.client_id, self._clock.now())
        return decided_page(user, client.name if client is not None else "")

    def _device_form(self, instance: Instance, code: str) -> HttpAnswer:
        """Return the form that asks for a code; for the code of a waiting login, return the form for the decision."""
        if not code:
            return code_page()
        now = self._clock.now()
        for login in self._logins.waiting(now):
            client = self._logins.client(login.client_id, now)
            if client is not None and plain_code(login.user_code) == plain_code(code):
                request = AccessRequest(client.name, client.scopes, SESSION_SECONDS, login.user_code)
                return form_page(request, list(instance.users), DEVICE_PATH)
        return code_page(code, problem=_TYPE_AGAIN, status=404)

    def waiting(self) -> Said:
        """Return the device logins that await a decision, as HTTP status and JSON content."""
        with self._world.lock:
            now = self._clock.now()
            if self._center.instance is None:
                return 404, {"error": _NO_CENTER}
            waiting_logins = [
                {"user_code": login.user_code, "client": "" if client is None else client.name}
                for login in self._logins.waiting(now)
                for client in [self._logins.client(login.client_id, now)]
            ]
            return 200, {"waiting": waiting_logins}

    def approve(self, request: HttpRequest) -> Said:
        """Approve or deny a login. The JSON body is `{"code": CODE or URL, "user": "alice", "deny": false}`.

        Returns the user, and for an authorization request the redirect URL.
        """
        try:
            wish = json.loads(request.body)
            code, name, is_denied = str(wish["code"]), str(wish.get("user", "")), wish.get("deny", False)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return 400, {"error": 'send {"code": "BCDF-GHJK", "user": "alice"}, with "deny": true to refuse'}
        with self._world.lock:
            instance = self._center.instance
            if instance is None:
                return 404, {"error": _NO_CENTER}
            user = "" if is_denied else _user(instance, name)
            if not is_denied and user not in instance.users:
                return 404, {"error": _no_user(instance, name)}
            return self._decide(code, user)

    def _decide(self, code: str, user: str) -> Said:
        if "://" not in code:
            return self._decide_device(code, user)
        try:
            address = urlsplit(code)
        except ValueError:
            return 400, {"error": "`code` is not a valid URL"}
        query = _first_values(address.query)
        if address.path == DEVICE_PATH:
            return self._decide_device(query.get("user_code", ""), user)
        if not address.path.endswith(AUTHORIZE_PATH):
            return 400, {"error": "`code` must be a user code, or a link to the device page or to /authorize"}
        wish = self._wish(query)
        if isinstance(wish, _Unwanted):
            return 400, {"error": wish.why}
        return 200, {"user": user, "redirect": self._grant(wish, user) if user else wish.denied}

    def _decide_device(self, code: str, user: str) -> Said:
        if self._logins.decide(code, user, self._clock.now()) is None:
            return 404, {"error": _NOBODY_WAITS}
        return 200, {"user": user, "redirect": ""}

    @property
    def _logins(self) -> PortalLogins:
        return self._center.logins

    def _wish(self, query: Query) -> _Wish | _Unwanted:
        """Validate an authorization request.

        An error is reported by redirect only if the redirect URI is registered for the client (RFC 6749, 4.1.2.1).
        """
        client = self._logins.client(query.get("client_id", ""), self._clock.now())
        if client is None or AUTHORIZATION_CODE not in client.grant_types:
            return _Unwanted("no client with that id is registered for authorization codes")
        redirect_uri, state = query.get("redirect_uri", ""), query.get("state", "")
        if not any(is_same_redirect(own, redirect_uri) for own in client.redirect_uris):
            return _Unwanted("the redirect URI is not registered for this client")
        scopes = tuple(query.get("scopes", query.get("scope", "")).replace(",", " ").split())
        challenge = query.get("code_challenge", "")
        error = ""
        if query.get("response_type") != "code":
            error = "unsupported_response_type"
        elif query.get("code_challenge_method") != "S256" or len(challenge) not in _CHALLENGES:
            error = "invalid_request"
        elif not set(scopes) <= set(client.scopes):
            error = "invalid_scope"
        if error:
            why = f"the authorization request is invalid: {error}"
            return _Unwanted(why, _with_query(redirect_uri, {"error": error, "state": state}))
        return _Wish(client, redirect_uri, state, challenge, scopes or client.scopes)

    def _grant(self, wish: _Wish, user: str) -> str:
        """Issue an authorization code for the user; return the redirect URL that carries the code."""
        now = self._clock.now()
        code = AuthorizationCode(
            wish.client.client_id, user, wish.redirect_uri, wish.challenge, wish.scopes, int(now) + CODE_SECONDS
        )
        return _with_query(wish.redirect_uri, {"code": self._logins.give_code(code, now), "state": wish.state})


def why_not_served(request: HttpRequest) -> str:
    """Return the reason to refuse a form as a cross-site request, or "" to accept it.

    The server has already checked the Host header.
    """
    origin = request.headers.get("origin")
    if origin is not None and origin != f"http://{request.headers.get('host', '')}":
        return "the form was sent by another page"
    site = request.headers.get("sec-fetch-site", "none")
    if request.method != "GET" and site not in {"none", "same-origin"}:
        return "the form was sent by another page"
    return ""


def _user(instance: Instance, name: str) -> str:
    """Return the user who approves the login.

    The user is chosen in this order:

    1. the named user
    2. the user whose logins the instance approves automatically
    3. the only user of the instance

    Returns "" if neither 1 nor 2 is set and the instance has several users.
    """
    if name:
        return name
    if instance.auto_approve:
        return instance.auto_approve
    return next(iter(instance.users)) if len(instance.users) == 1 else ""


def _no_user(instance: Instance, name: str) -> str:
    names = ", ".join(instance.users)
    if not name:
        return f"name a user: there are {names}"
    suggestion = nearest(name, list(instance.users))
    return f"there is no user {name}" + (f": did you mean {suggestion}?" if suggestion else f": it has {names}")


def _first_values(text: str) -> dict[str, str]:
    try:
        return {name: values[0] for name, values in parse_qs(text, max_num_fields=100).items()}
    except ValueError:
        return {}


def _redirect(address: str) -> HttpAnswer:
    return html_answer(302, "", (("Location", address),))


def _with_query(uri: str, query: Query) -> str:
    """Add a query string to a registered redirect URI, which has none of its own."""
    return f"{uri}?{urlencode({name: value for name, value in query.items() if value})}"
