"""AWS without a network: a Driver that simulates STS, Secrets Manager and Parameter Store by simple rules.

It checks no signature and no policy: a test sets what is refused. All requests in flight are answered together in one
round, so a test can tell which requests ran concurrently.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from dsops.aws.http.wire import Response, WireRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

CALLER = "arn:aws:iam::111111111111:user/ada"


class Call(NamedTuple):
    """One received request."""

    service: str
    region: str
    action: str
    parameters: Mapping[str, object]
    access_key_id: str
    host: str

    def __str__(self) -> str:
        subject = self.parameters.get("RoleArn") or self.parameters.get("SecretId") or ""
        return f"{self.action} {str(subject).rpartition('/')[2]}".strip()


class Refusal(NamedTuple):
    """An AWS error response."""

    code: str
    message: str
    status: int = 400


DENIED = Refusal("AccessDeniedException", "User: SESSION is not authorized to perform: ACTION on resource: RESOURCE")
UNKNOWN_TOKEN = Refusal("UnrecognizedClientException", "The security token included in the request is invalid.")


class InMemoryAws:
    """Secrets and parameters by name; `rule` decides which calls are refused."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.secrets: dict[str, str | bytes] = {}
        self.parameters: dict[str, str] = {}
        self.rule: Callable[[Call], Refusal | BaseException | None] = lambda _call: None
        self.calls: list[Call] = []
        self.rounds: list[list[str]] = []
        self.issued: dict[str, str] = {}
        """Key id -> the caller's ARN."""
        self.pages: dict[str, list[Response | BaseException]] = {}
        """URL -> the answers to successive GETs of that URL, for servers that are not AWS's."""
        self.gets: list[WireRequest] = []
        self.prepared: list[tuple[int, str]] = []
        """For each prepared connection: the number of calls made before it, and its host."""
        self._now = now
        self._waiting: list[tuple[object, object]] = []
        self._round: list[str] = []

    def start(self, request: object, token: object) -> None:
        """Accept a request; the next round answers it."""
        assert isinstance(request, WireRequest)
        if request.method == "GET":
            self.gets.append(request)
            self._waiting.append((token, self.pages[request.url].pop(0)))
            return
        call = _read(request)
        self.calls.append(call)
        self._round.append(str(call))
        self._waiting.append((token, self._outcome(call)))

    def prepare(self, request: object) -> None:
        """Record that a connection was prepared; no connection is opened."""
        assert isinstance(request, WireRequest)
        self.prepared.append((len(self.calls), request.address.host))

    def poll(self, timeout_seconds: float) -> list[tuple[object, object]]:
        """The answers to all requests since the last round."""
        assert timeout_seconds >= 0
        finished, self._waiting = self._waiting, []
        self.rounds.append(self._round)
        self._round = []
        return finished

    def cancel(self) -> None:
        """Drop all requests in flight."""
        self._waiting.clear()

    @property
    def actions(self) -> list[str]:
        """The actions of all calls, in order."""
        return [str(call) for call in self.calls]

    def _outcome(self, call: Call) -> object:
        refusal = self.rule(call)
        if isinstance(refusal, BaseException):
            return refusal
        if refusal is not None:
            return self._refusal(call, refusal)
        answer: Callable[[Call], Response] = getattr(self, f"_{call.action}")
        return answer(call)

    def _refusal(self, call: Call, refusal: Refusal) -> Response:
        caller = self.issued.get(call.access_key_id, CALLER)
        resource = str(call.parameters.get("RoleArn") or call.parameters.get("SecretId") or "*")
        message = refusal.message.replace("SESSION", caller).replace("RESOURCE", resource)
        message = message.replace("ACTION", f"{call.service}:{call.action}")
        if call.service == "sts":
            error = f"<Type>Sender</Type><Code>{refusal.code}</Code><Message>{escape(message)}</Message>"
            body = f"<ErrorResponse><Error>{error}</Error><RequestId>r-1</RequestId></ErrorResponse>"
            return Response(refusal.status, self._headers(), body.encode())
        return self._json({"__type": refusal.code, "Message": message}, refusal.status)

    def _headers(self) -> dict[str, str]:
        return {"date": self._now().strftime("%a, %d %b %Y %H:%M:%S GMT"), "x-amzn-requestid": "r-1"}

    def _json(self, content: object, status: int = 200) -> Response:
        return Response(status, self._headers(), json.dumps(content).encode())

    def _session(self, call: Call, caller: str, extra: str = "") -> Response:
        key_id = f"ASIA{len(self.issued) + 1:016}"
        self.issued[key_id] = caller
        seconds = int(str(call.parameters.get("DurationSeconds", 3600)))
        end = (self._now() + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
        parts = f"<AccessKeyId>{key_id}</AccessKeyId><SecretAccessKey>secret-{key_id}</SecretAccessKey>"
        parts += f"<SessionToken>token-{key_id}</SessionToken><Expiration>{end}</Expiration>"
        result = f"<{call.action}Result>{extra}<Credentials>{parts}</Credentials></{call.action}Result>"
        return Response(200, self._headers(), f"<{call.action}Response>{result}</{call.action}Response>".encode())

    def _AssumeRole(self, call: Call) -> Response:  # noqa: N802 (the action's own name)
        role_arn = str(call.parameters["RoleArn"])
        account, name = role_arn.split(":")[4], role_arn.rpartition("/")[2]
        arn = f"arn:aws:sts::{account}:assumed-role/{name}/{call.parameters.get('RoleSessionName', 'asserted')}"
        user = f"<AssumedRoleUser><AssumedRoleId>AROA:x</AssumedRoleId><Arn>{arn}</Arn></AssumedRoleUser>"
        return self._session(call, arn, user)

    _AssumeRoleWithWebIdentity = _AssumeRole
    _AssumeRoleWithSAML = _AssumeRole

    def _GetFederationToken(self, call: Call) -> Response:  # noqa: N802
        arn = f"arn:aws:sts::111111111111:federated-user/{call.parameters['Name']}"
        user = f"<FederatedUser><FederatedUserId>111111111111:x</FederatedUserId><Arn>{arn}</Arn></FederatedUser>"
        return self._session(call, arn, user)

    def _AssumeRoot(self, call: Call) -> Response:  # noqa: N802
        return self._session(call, f"arn:aws:iam::{call.parameters['TargetPrincipal']}:root")

    def _GetSessionToken(self, call: Call) -> Response:  # noqa: N802
        return self._session(call, CALLER)

    def _GetSecretValue(self, call: Call) -> Response:  # noqa: N802
        secret_id = str(call.parameters["SecretId"])
        version = call.parameters.get("VersionId") or call.parameters.get("VersionStage")
        found = self._secret(secret_id, f"{secret_id}@{version}" if version else secret_id)
        if found is None:
            message = "Secrets Manager can't find the specified secret."
            return self._refusal(call, Refusal("ResourceNotFoundException", message))
        return self._json(found)

    def _BatchGetSecretValue(self, call: Call) -> Response:  # noqa: N802
        ids = call.parameters["SecretIdList"]
        assert isinstance(ids, list)
        assert len(ids) <= 20
        values, errors = [], []
        for secret_id in ids:
            single = Call(
                call.service, call.region, "GetSecretValue", {"SecretId": secret_id}, call.access_key_id, call.host
            )
            refusal = self.rule(single)
            found = self._secret(secret_id, secret_id)
            if isinstance(refusal, Refusal):
                errors.append({"SecretId": secret_id, "ErrorCode": refusal.code, "Message": refusal.message})
            elif found is None:
                code, message = "ResourceNotFoundException", "Secrets Manager can't find the specified secret."
                errors.append({"SecretId": secret_id, "ErrorCode": code, "Message": message})
            else:
                values.append(found)
        return self._json({"SecretValues": values, "Errors": errors})

    def _secret(self, secret_id: str, key: str) -> dict[str, object] | None:
        value = self.secrets.get(key)
        if value is None:
            return None
        is_arn = secret_id.startswith("arn:")
        arn = secret_id if is_arn else f"arn:aws:secretsmanager:us-east-1:222222222222:secret:{secret_id}-AbCdEf"
        content: dict[str, object] = {"ARN": arn, "Name": secret_id, "VersionId": "v"}
        if isinstance(value, bytes):
            from base64 import b64encode

            content["SecretBinary"] = b64encode(value).decode()
        else:
            content["SecretString"] = value
        return content

    def _GetParameters(self, call: Call) -> Response:  # noqa: N802
        names = call.parameters["Names"]
        assert isinstance(names, list)
        assert len(names) <= 10
        collected = []
        for name in names:
            if name in self.parameters:
                base, colon, selector = name.partition(":") if not name.startswith("arn:") else (name, "", "")
                entry = {"Name": base, "Value": self.parameters[name], "Version": 1, "Type": "SecureString"}
                collected.append(entry | ({"Selector": f":{selector}"} if colon else {}))
        invalid = [name for name in names if name not in self.parameters]
        return self._json({"Parameters": collected, "InvalidParameters": invalid})


UNSIGNED = ("AssumeRoleWithWebIdentity", "AssumeRoleWithSAML")


def _read(request: WireRequest) -> Call:
    signing = request.signing
    headers = {name.lower(): value for name, value in request.headers}
    target = headers.get("x-amz-target", "")
    parameters: dict[str, object]
    if target:
        parameters = json.loads(request.body)
        action = target.rpartition(".")[2]
    else:
        parameters = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
        action = str(parameters["Action"])
    if signing is None:
        assert action in UNSIGNED, "every other call of these tests is signed"
        return Call("sts", request.address.host.split(".")[1], action, parameters, "", request.address.host)
    return Call(signing.service, signing.region, action, parameters, signing.access_key_id, request.address.host)
