"""An IAM Identity Center in memory beside AWS in memory: portal and token endpoint, by simple rules."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from dsops.aws.http.wire import Response, WireRequest
from dsops.aws.identity.sso_cache import hashed
from tests.aws_in_memory import InMemoryAws

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

START_URL = "https://d-1234567890.awsapps.com/start"
REGION = "eu-central-1"
ADA, EVE = "ada@example.com", "eve@example.com"


class InMemoryCenter(InMemoryAws):
    """Holds tokens with their users, and assigned permission sets; `outage` can replace an answer."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        super().__init__(now)
        self.assigned: dict[str, dict[str, tuple[str, ...]]] = {
            ADA: {"012345678901": ("Admin", "ReadOnly"), "222222222222": ("ReadOnly",)},
            EVE: {"012345678901": ("Admin",)},
        }
        self.tokens: dict[str, str] = {}
        """Access token -> the user who logged in."""
        self.refresh_tokens: dict[str, str] = {}
        self.rotates = False
        """Whether a refresh returns a new refresh token and invalidates the old one."""
        self.device: list[str] = []
        """The answers of the token endpoint for a device code, in order; after them the code is approved."""
        self.outage: Callable[[str, WireRequest], Response | BaseException | None] = lambda _action, _request: None
        self.asked: list[str] = []
        """All requested actions, in order."""
        self.requests: list[WireRequest] = []

    def start(self, request: object, token: object) -> None:
        """Accept a request; requests for other services are passed on to AWS in memory."""
        assert isinstance(request, WireRequest)
        if not _is_of_center(request):
            super().start(request, token)
            return
        parts = urlsplit(request.url)
        action = _ACTIONS[parts.path]
        self.asked.append(action)
        self.requests.append(request)
        outcome = self.outage(action, request) or self._answer(action, request, parse_qs(parts.query))
        self._waiting.append((token, outcome))

    def log_in(self, home: Path, user: str = ADA, *, seconds: int = 3600, key: str = START_URL, **more: object) -> Path:
        """Write a new login's token file into the home as the AWS CLI does; members with value None are left out."""
        number = len(self.tokens)
        access, refresh = f"PLANTED-access-{number}", f"PLANTED-refresh-{number}"
        self.tokens[access] = user
        self.refresh_tokens[refresh] = user
        members = {
            "startUrl": START_URL,
            "region": REGION,
            "accessToken": access,
            "expiresAt": _written(self._now() + timedelta(seconds=seconds)),
            "clientId": "client",
            "clientSecret": "PLANTED-client-secret",
            "registrationExpiresAt": _written(self._now() + timedelta(days=90)),
            "refreshToken": refresh,
            **more,
        }
        return token_file(home, {name: value for name, value in members.items() if value is not None}, key)

    def _answer(self, action: str, request: WireRequest, query: Mapping[str, list[str]]) -> Response:
        if action in ("RegisterClient", "StartDeviceAuthorization", "CreateToken"):
            answer: Callable[[Mapping[str, object]], Response] = getattr(self, f"_{action}")
            return answer(json.loads(request.body))
        bearer = dict(request.headers)["x-amz-sso_bearer_token"]
        user = self.tokens.get(bearer)
        if user is None:
            return self._json({"message": "Session token not found or invalid"}, 401, "UnauthorizedException")
        accounts = self.assigned[user]
        if action == "Logout":
            del self.tokens[bearer]
            return Response(200, self._headers(), b"")
        if action == "ListAccounts":
            listed = [{"accountId": each, "accountName": f"name of {each}"} for each in accounts]
            return self._json({"accountList": listed})
        account = query["account_id"][0]
        if action == "ListAccountRoles":
            return self._json({"roleList": [{"roleName": role, "accountId": account} for role in accounts[account]]})
        return self._session_of(user, account, query["role_name"][0])

    def _session_of(self, user: str, account: str, role: str) -> Response:
        if role not in self.assigned[user].get(account, ()):
            return self._json({"message": "No access"}, 403, "ForbiddenException")
        key_id = f"ASIA{len(self.issued) + 1:016}"
        self.issued[key_id] = f"arn:aws:sts::{account}:assumed-role/AWSReservedSSO_{role}_0/{user}"
        end = int((self._now() + timedelta(hours=1)).timestamp() * 1000)
        found = {"accessKeyId": key_id, "secretAccessKey": f"secret-{key_id}", "sessionToken": f"token-{key_id}"}
        return self._json({"roleCredentials": {**found, "expiration": end}})

    def _RegisterClient(self, _asked: Mapping[str, object]) -> Response:  # noqa: N802 (the action's own name)
        end = int((self._now() + timedelta(days=90)).timestamp())
        return self._json({"clientId": "client", "clientSecret": "PLANTED-client-secret", "clientSecretExpiresAt": end})

    def _StartDeviceAuthorization(self, asked: Mapping[str, object]) -> Response:  # noqa: N802
        if asked["startUrl"] != START_URL:
            return self._oauth("invalid_request", "Invalid start url provided")
        page = "https://device.sso.eu-central-1.amazonaws.com/"
        return self._json(
            {
                "deviceCode": "PLANTED-device-code",
                "userCode": "ABCD-EFGH",
                "verificationUri": page,
                "verificationUriComplete": f"{page}?user_code=ABCD-EFGH",
                "expiresIn": 600,
                "interval": 1,
            }
        )

    def _CreateToken(self, asked: Mapping[str, object]) -> Response:  # noqa: N802
        grant = str(asked["grantType"]).rpartition(":")[2]
        if grant == "device_code" and self.device:
            return self._oauth(self.device.pop(0))
        if grant != "refresh_token":
            return self._token(ADA)
        old = str(asked["refreshToken"])
        user = self.refresh_tokens.get(old)
        if user is None:
            return self._oauth("invalid_grant", "Invalid refresh token provided")
        if self.rotates:
            del self.refresh_tokens[old]
        return self._token(user, "" if self.rotates else old)

    def _token(self, user: str, refresh: str = "") -> Response:
        number = len(self.tokens)
        access, refresh = f"PLANTED-access-{number}", refresh or f"PLANTED-refresh-{number}"
        self.tokens[access] = user
        self.refresh_tokens[refresh] = user
        return self._json({"accessToken": access, "tokenType": "Bearer", "expiresIn": 3600, "refreshToken": refresh})

    def _oauth(self, error: str, description: str = "") -> Response:
        return self._json({"error": error, "error_description": description}, 400)

    def _json(self, content: object, status: int = 200, code: str = "") -> Response:
        answer = super()._json(content, status)
        headers = {**answer.headers, **({"x-amzn-errortype": f"{code}:http://internal.amazon.com/"} if code else {})}
        return answer._replace(headers=headers)


_ACTIONS = {
    "/federation/credentials": "GetRoleCredentials",
    "/assignment/accounts": "ListAccounts",
    "/assignment/roles": "ListAccountRoles",
    "/logout": "Logout",
    "/client/register": "RegisterClient",
    "/device_authorization": "StartDeviceAuthorization",
    "/token": "CreateToken",
}


def token_file(home: Path, members: object, key: str = START_URL) -> Path:
    """Write a token file with these members."""
    path = home / ".aws" / "sso" / "cache" / f"{hashed(key)}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(members), "utf-8")
    path.chmod(0o600)
    return path


def _is_of_center(request: WireRequest) -> bool:
    return urlsplit(request.url).path in _ACTIONS


def _written(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
