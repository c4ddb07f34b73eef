"""A sandbox with an Identity Center, with clients and browsers; botocore serializes the requests."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from botocore.serialize import create_serializer

from dsops.request.messages import HttpAnswer, HttpRequest
from dsops.request.wire.models import operation_model
from dsops.sandbox.control.endpoints import Control
from tests.sandboxes import HOST, PEER, Keys, Lab, Person, RefusedError, parse

if TYPE_CHECKING:
    from collections.abc import Mapping

START_URL = "https://d-1234567890.awsapps.com/start"
SCOPE = "sso:account:access"
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
REDIRECT = "http://127.0.0.1:50000/oauth/callback"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
"""The verifier of RFC 7636, appendix B; the next constant is its challenge."""
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A registered OIDC client."""

    client_id: str
    secret: str

    @property
    def parameters(self) -> dict[str, str]:
        """The client's id and secret, sent with each request."""
        return {"clientId": self.client_id, "clientSecret": self.secret}


@dataclass(slots=True)
class Center:
    """The services `sso` and `sso-oidc` and the login pages of one sandbox."""

    lab: Lab
    control: Control
    peer: str = PEER
    """The address of the clients; browsers run on the sandbox's machine."""

    @classmethod
    def of(cls, lab: Lab) -> Center:
        """The Identity Center of this sandbox."""
        return cls(lab, Control(lab.sandbox))

    # --- clients -------------------------------------------------------------------------------------------------

    def answer(self, service: str, operation: str, **parameters: object) -> HttpAnswer:
        """The raw HTTP answer."""
        request = unsigned_request(service, operation, parameters)
        return self.lab.sandbox.handle(request._replace(peer=self.peer)).answer

    def call(self, service: str, operation: str, **parameters: object) -> dict[str, Any]:
        """The answer as botocore parses it; raises RefusedError for an error."""
        return parse(service, operation, self.answer(service, operation, **parameters))

    def refused(self, service: str, operation: str, **parameters: object) -> tuple[str, str, int]:
        """The code, message and status of an error; for OAuth errors, the code is OAuth's."""
        answer = self.answer(service, operation, **parameters)
        try:
            parse(service, operation, answer)
        except RefusedError as error:
            message_text = json.loads(answer.body)
            if "error" in message_text:
                return f"{error.code}: {message_text['error']}", message_text["error_description"] or "", error.status
            return error.code, error.message, error.status
        raise AssertionError(f"{operation} was not refused")

    def register(self, *scopes: str, **more: object) -> Program:
        """Register a client as the AWS CLI does."""
        wish = {"clientName": "botocore-client-dev", "clientType": "public", **more}
        made = self.call("sso-oidc", "RegisterClient", **wish, **({"scopes": list(scopes)} if scopes else {}))
        return Program(client_id=made["clientId"], secret=made["clientSecret"])

    def register_for_browser(self, *scopes: str, **more: object) -> Program:
        """Register a client that waits on loopback for the browser's redirect; its scope is SCOPE by default."""
        wish = {
            "grantTypes": ["authorization_code", "refresh_token"],
            "issuerUrl": START_URL,
            "redirectUris": ["http://127.0.0.1/oauth/callback"],
        }
        return self.register(*(scopes or (SCOPE,)), **{**wish, **more})

    def start_device(self, program: Program, start_url: str = START_URL) -> dict[str, Any]:
        """Call StartDeviceAuthorization."""
        return self.call("sso-oidc", "StartDeviceAuthorization", **program.parameters, startUrl=start_url)

    def poll(self, program: Program, started: Mapping[str, Any]) -> dict[str, Any]:
        """Call CreateToken for a device code."""
        return self.call(
            "sso-oidc", "CreateToken", **program.parameters, grantType=DEVICE_GRANT, deviceCode=started["deviceCode"]
        )

    def poll_refused(self, program: Program, started: Mapping[str, Any]) -> tuple[str, str, int]:
        """Call CreateToken for a device code that must be refused; returns the error."""
        return self.refused(
            "sso-oidc", "CreateToken", **program.parameters, grantType=DEVICE_GRANT, deviceCode=started["deviceCode"]
        )

    def log_in(self, user: str, *scopes: str) -> str:
        """Log in by device code as this user; returns the access token."""
        program = self.register(*scopes)
        started = self.start_device(program)
        assert self.approve(started["userCode"], user)["user"] == user
        token: str = self.poll(program, started)["accessToken"]
        return token

    def role(self, token: str, account: str, name: str) -> Person:
        """A caller with the credentials of the user's role."""
        answer = self.call("sso", "GetRoleCredentials", accessToken=token, accountId=account, roleName=name)
        given = answer["roleCredentials"]
        return Person(
            self.lab,
            Keys(
                access_key_id=given["accessKeyId"],
                secret_access_key=given["secretAccessKey"],
                session_token=given["sessionToken"],
            ),
        )

    # --- users and browsers --------------------------------------------------------------------------------------

    def approve(self, code: str, user: str = "", *, is_denied: bool = False, status: int = 200) -> dict[str, Any]:
        """The answer of `/_sandbox/approve`."""
        body = json.dumps({"code": code, "user": user, "deny": is_denied}).encode()
        answer = self.browse("POST", "/_sandbox/approve", body=body)
        assert answer.status == status, answer.body
        message_text: dict[str, Any] = json.loads(answer.body)
        return message_text

    def browse(self, method: str, path: str, query: str = "", body: bytes = b"", **headers: str) -> HttpAnswer:
        """Send a request as a browser or program on the sandbox's machine."""
        sent = {"host": HOST, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return self.control.handle(HttpRequest(method, path, query, sent, body, "127.0.0.1"))

    def authorize(
        self, program: Program, method: str = "GET", form: Mapping[str, str] | None = None, **changes: str
    ) -> HttpAnswer:
        """Request `/authorize`; the answer is a login form or a redirect."""
        query = authorize_query(program, **changes)
        return self.browse(method, "/authorize", query, urlencode(form or {}).encode())

    def code_for(self, program: Program, user: str, **changes: str) -> str:
        """The authorization code in the browser's redirect, after the user has approved."""
        answer = self.authorize(program, "POST", {"user": user, "answer": "approve"}, **changes)
        return brought(answer)["code"]

    def exchange(self, program: Program, code: str, **changes: str) -> dict[str, str]:
        """The parameters of CreateToken for an authorization code."""
        wish = {"grantType": "authorization_code", "code": code, "redirectUri": REDIRECT, "codeVerifier": VERIFIER}
        return {**program.parameters, **wish, **changes}


def authorize_query(program: Program, **changes: str) -> str:
    """The query of the authorize URL as the AWS CLI writes it."""
    wish = {
        "response_type": "code",
        "client_id": program.client_id,
        "redirect_uri": REDIRECT,
        "state": "st&te",
        "code_challenge_method": "S256",
        "code_challenge": CHALLENGE,
        "scopes": SCOPE,
        **changes,
    }
    return urlencode({name: value for name, value in wish.items() if value})


def brought(answer: HttpAnswer) -> dict[str, str]:
    """The query of a redirect to the client's own address."""
    assert answer.status == 302, answer.body
    location = dict(answer.headers)["Location"]
    assert location.startswith(f"{REDIRECT}?")
    return dict(parse_qsl(urlsplit(location).query))


def challenge_of(verifier: str) -> str:
    """The challenge of a verifier (RFC 7636, 4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def unsigned_request(service: str, operation: str, parameters: Mapping[str, object]) -> HttpRequest:
    """Serialize a request of an unsigned operation with botocore."""
    serialized = create_serializer("rest-json", include_validation=False).serialize_to_request(
        dict(parameters), operation_model(service, operation)
    )
    headers = {name.lower(): str(value) for name, value in dict(serialized["headers"]).items()}
    body = serialized["body"]
    return HttpRequest(
        serialized["method"],
        serialized["url_path"],
        urlencode(serialized["query_string"], doseq=True),
        {"host": HOST, **headers},
        body.encode() if isinstance(body, str) else bytes(body),
        PEER,
    )
