"""Control endpoints that issue tokens on request: `/_sandbox/token`, `/_sandbox/github` and others."""

from __future__ import annotations

import hmac
import json
import os
import re
from collections.abc import Mapping
from urllib.parse import parse_qs

from dsops.document import parse_json
from dsops.policy import check_policy
from dsops.request.messages import HttpRequest
from dsops.sandbox.control.service import Sandbox
from dsops.sandbox.federation.issuers import GITHUB, github_claims
from dsops.sandbox.sts.delegated_access import DURATIONS, has_giver
from dsops.sandbox.sts.provided_contexts import IDENTITY_CENTER

DEFAULT_AUDIENCE = "sts.amazonaws.com"
_DEFAULT_SECONDS = 300
_MAX_SECONDS = 10 * 366 * 86_400
_MAX_NAME = 1024
# Context keys that an assertion may set, without the keys that AWS itself sets on requests.
_CONTEXT_KEY = re.compile(r"(?:aws:OriginIdentity/|aws:TransactionContext/|identitystore:)[\w:/.-]+")

Said = tuple[int, Mapping[str, object]]
"""HTTP status and JSON content of a response."""


class TokenEndpoints:
    """The token endpoints of one sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self.github_token = os.urandom(16).hex()
        """ACTIONS_ID_TOKEN_REQUEST_TOKEN: the bearer token with which a GitHub Actions job requests its ID token."""

    def mint(self, request: HttpRequest) -> Said:
        """Issue a web identity token.

        The body is `{"iss": ..., "sub": ..., "aud": ..., "claims": {...}, "expires_seconds": 300}`.
        """
        try:
            wish = json.loads(request.body)
            claims = dict(wish.get("claims", {}))
            seconds = int(wish.get("expires_seconds", _DEFAULT_SECONDS))
            issuer, named = str(wish.get("iss", "")), {name: wish[name] for name in ("sub", "aud")}
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
            return 400, {"error": 'send {"iss": "https://...", "sub": "...", "aud": "...", "claims": {...}}'}
        if not -_MAX_SECONDS <= seconds <= _MAX_SECONDS:
            return 400, {"error": "a token can't live that long"}
        with self._sandbox.world.lock:
            url = self._issuer(issuer)
            if url is None:
                return 404, {"error": self._no_issuer(issuer)}
            return 200, {"token": self._mint(url, {**named, **claims}, seconds)}

    def github(self, request: HttpRequest) -> Said:
        """Return the response that GitHub sends to a job's `GET $ACTIONS_ID_TOKEN_REQUEST_URL&audience=...`.

        The other query parameters describe the job: `repository`, `ref`, `environment`, `event_name`.
        """
        scheme, _, bearer_token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(bearer_token.encode(), self.github_token.encode()):
            return 401, {"message": "the Authorization header is not `Bearer` and the sandbox's token"}
        query = {name: values[0][:_MAX_NAME] for name, values in parse_qs(request.query).items()}
        claims = github_claims(
            query.get("repository", "octo-org/octo-repo"),
            query.get("ref", "refs/heads/main"),
            query.get("environment", ""),
            query.get("event_name", "push"),
        )
        claims["aud"] = query.get("audience", DEFAULT_AUDIENCE)
        with self._sandbox.world.lock:
            if GITHUB not in self._sandbox.issuers.own:
                return 404, {"message": self._no_issuer(GITHUB)}
            token = self._mint(GITHUB, claims, _DEFAULT_SECONDS)
        return 200, {"count": len(token), "value": token}

    def trade_in(self, request: HttpRequest) -> Said:
        """Issue a trade-in token.

        The body is `{"principal": ARN, "policy": {...}, "duration_seconds": 3600, "expires_seconds": 300}`. IAM sends
        such a token to a partner after that user or role has accepted the partner's delegation request.
        """
        usage = 'send {"principal": "arn:aws:iam::...:role/...", "policy": {...}, "duration_seconds": 3600}'
        try:
            wish = json.loads(request.body)
            principal, policy = str(wish["principal"]), wish.get("policy")
            duration = int(wish.get("duration_seconds", DURATIONS[-1] // 12))
            seconds = int(wish.get("expires_seconds", _DEFAULT_SECONDS))
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
            return 400, {"error": usage}
        if duration not in DURATIONS or abs(seconds) > _MAX_SECONDS:
            return 400, {"error": f"a delegated session lasts {DURATIONS[0]} to {DURATIONS[-1]} seconds"}
        content: dict[str, object] = {"principal": principal, "duration_seconds": duration}
        if policy is not None:
            checked = check_policy(parse_json(json.dumps(policy), "policy"), "session", name="policy")
            if checked.policy is None:
                return 400, {"error": f"the policy is invalid: {checked.problems[0].message}"}
            content["policy"] = json.dumps(policy)
        with self._sandbox.world.lock:
            if not has_giver(self._sandbox.world, principal):
                return 404, {"error": f"there is no user or role {principal}"}
            sealed = self._sandbox.sts.seal.seal("trade-in", content, self._sandbox.clock.now() + seconds)
        return 200, {"token": sealed}

    def context(self, request: HttpRequest) -> Said:
        """Issue a context assertion. The body is `{"context": {"identitystore:UserId": "..."}, "provider": ARN}`."""
        try:
            wish = json.loads(request.body)
            keys = {str(key): str(value) for key, value in wish["context"].items()}
            provider = str(wish.get("provider", IDENTITY_CENTER))
            seconds = int(wish.get("expires_seconds", _DEFAULT_SECONDS))
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
            return 400, {"error": 'send {"context": {"identitystore:UserId": "..."}, "provider": "arn:aws:iam::..."}'}
        if not keys or abs(seconds) > _MAX_SECONDS or not all(map(_CONTEXT_KEY.fullmatch, keys)):
            return 400, {"error": "a context is made of condition keys such as identitystore:UserId"}
        with self._sandbox.world.lock:
            moment = self._sandbox.clock.now() + seconds
            content = {"provider": provider, "context": keys}
            return 200, {"assertion": self._sandbox.sts.seal.seal("context", content, moment)}

    def _mint(self, url: str, claims: Mapping[str, object], seconds: int) -> str:
        return self._sandbox.issuers.mint(url, claims, self._sandbox.clock.now(), seconds)

    def _issuer(self, named: str) -> str | None:
        """Return the issuer URL that equals `named`, with or without `https://`.

        If the request names no issuer, the only issuer is returned.
        """
        own = list(self._sandbox.issuers.own)
        if not named:
            return own[0] if len(own) == 1 else None
        return next((url for url in own if named in {url, url.removeprefix("https://")}), None)

    def _no_issuer(self, named: str) -> str:
        own = ", ".join(self._sandbox.issuers.own)
        known_issuers = f"it has {own}" if own else "the seed has no provider with `issued_by_sandbox: true`"
        if named:
            return f"the sandbox holds no keys of {named}: {known_issuers}"
        return f"name the issuer of the token: {known_issuers}"
