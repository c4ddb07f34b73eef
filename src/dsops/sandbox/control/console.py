"""Console sign-in: `/_sandbox/federation` replaces AWS's federation endpoint.

IAM User Guide, "Enable custom identity broker access to the AWS console".
"""

from __future__ import annotations

import hmac
import json
from urllib.parse import parse_qs

from dsops.request.messages import HttpAnswer, HttpRequest
from dsops.sandbox.authorization.caller import session_caller
from dsops.sandbox.control.service import Sandbox
from dsops.sandbox.state.sessions import Session

_LINK_SECONDS = 15 * 60
_SHORTEST_SECONDS, _LONGEST_SECONDS = 900, 43_200
_KINDS = {"role", "federated"}
_JSON = (("Content-Type", "application/json"), ("Cache-Control", "no-store"))


class Console:
    """The federation endpoint of one sandbox. The sandbox has no console: a login redirects to the requested page."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def answer(self, request: HttpRequest) -> HttpAnswer:
        """Answer a `getSigninToken` or `login` request."""
        query = {key: values[0] for key, values in parse_qs(request.query).items()}
        with self._sandbox.world.lock:
            if query.get("Action") == "getSigninToken":
                return self._signin_token(query)
            if query.get("Action") == "login":
                return self._login(query)
        return _refusal("Action must be getSigninToken or login")

    def _signin_token(self, query: dict[str, str]) -> HttpAnswer:
        try:
            session_fields = json.loads(query.get("Session", ""))
            key_id, key, token = (str(session_fields[name]) for name in ("sessionId", "sessionKey", "sessionToken"))
        except (ValueError, TypeError, KeyError, RecursionError):
            return _refusal("Session is JSON with sessionId, sessionKey and sessionToken")
        session = self._alive(key_id, token)
        expected = self._sandbox.sessions.secret_of(key_id)
        if session is None or not hmac.compare_digest(expected.encode(), key.encode("utf-8", "replace")):
            return _refusal("the session is not valid")
        if session.kind not in _KINDS:
            return _refusal("only sessions of roles and federated users can sign in")
        duration = query.get("SessionDuration")
        if duration is not None and session.kind == "federated":
            return _refusal("a federated user's session takes no SessionDuration")
        if duration is not None and not _is_duration(duration):
            return _refusal(f"SessionDuration must be {_SHORTEST_SECONDS} to {_LONGEST_SECONDS}")
        moment = self._sandbox.clock.now() + _LINK_SECONDS
        sealed = self._sandbox.sts.seal.seal("sign-in", {"key_id": key_id, "token": token}, moment)
        return HttpAnswer(200, _JSON, json.dumps({"SigninToken": sealed}).encode())

    def _login(self, query: dict[str, str]) -> HttpAnswer:
        opened = self._sandbox.sts.seal.open("sign-in", query.get("SigninToken", ""))
        if opened is None or opened.expires_at <= self._sandbox.clock.now():
            return _refusal("the sign-in token is not valid")
        if self._alive(str(opened.content["key_id"]), str(opened.content["token"])) is None:
            return _refusal("the session has ended")
        page = query.get("Destination", "")
        if not page.startswith("https://") or not page.isascii() or not page.isprintable():
            return _refusal("Destination must be an https URL")
        return HttpAnswer(302, (("Location", page), ("Cache-Control", "no-store")), b"")

    def _alive(self, key_id: str, token: str) -> Session | None:
        expires_at = self._sandbox.sessions.token_expiry(key_id, token)
        if expires_at is None or expires_at <= self._sandbox.clock.now():
            return None
        session = self._sandbox.sessions.get(key_id)
        if session is None or session_caller(self._sandbox.world, session, key_id, self._sandbox.region) is None:
            return None
        return session


def _is_duration(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 7 and _SHORTEST_SECONDS <= int(text) <= _LONGEST_SECONDS


def _refusal(why: str) -> HttpAnswer:
    return HttpAnswer(400, _JSON, json.dumps({"error": why}).encode())
