"""What CloudTrail would have recorded of each call; never a secret's value.

https://docs.aws.amazon.com/IAM/latest/UserGuide/cloudtrail-integration.html. Records are made when they are read:
a call leaves only the facts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import NAMESPACE_URL, uuid5

from dsops.errors import SandboxRefusal
from dsops.sandbox.answers import Moment, Value
from dsops.sandbox.caller import Caller
from dsops.sandbox.clock import iso_time
from dsops.sandbox.refusals import answer_of
from dsops.sandbox.route import Route
from dsops.sandbox.turn import Turn
from dsops.sandbox.wire import HttpRequest

_SOURCES = {"secretsmanager": "secretsmanager.amazonaws.com", "sts": "sts.amazonaws.com", "iam": "iam.amazonaws.com",
            "ssm": "ssm.amazonaws.com"}  # fmt: skip
_KEPT_PARAMETERS = frozenset(
    {"SecretId", "VersionId", "VersionStage", "Name", "Names", "Path", "SecretIdList", "WithDecryption", "RoleName",
     "UserName", "GroupName", "PolicyArn", "PolicyName", "SerialNumber", "RoleArn", "RoleSessionName", "ExternalId",
     "DurationSeconds", "SourceIdentity", "Tags", "TransitiveTagKeys", "Policy", "PolicyArns", "PermissionsBoundary",
     "PolicyDocument", "AssumeRolePolicyDocument", "AccessKeyId", "MaxSessionDuration"}
)  # fmt: skip
"""What may stand in a record; everything else (values, codes, passwords) stays out."""
# In these a `Name` or `Tags` is no secret, but the value beside it is; what is not listed above is not kept anyway.
_PRINCIPAL_TYPES = {
    "user": "IAMUser", "root": "Root", "role-session": "AssumedRole", "federated-session": "FederatedUser",
    "service": "AWSService",
}  # fmt: skip


class _Call(NamedTuple):
    service: str
    caller: Caller
    operation: str
    parameters: Mapping[str, object]
    now: float
    request_id: str
    peer: str
    user_agent: str
    result: Mapping[str, Value]
    """What STS answered, without the secret parts; empty for other services."""
    error_code: str
    error_message: str


class Events:
    """The last calls, oldest first."""

    def __init__(self, kept: int) -> None:
        self._calls: deque[_Call] = deque(maxlen=kept)

    def add(
        self,
        request: HttpRequest,
        route: Route,
        turn: Turn,
        result: Mapping[str, Value],
        refused: SandboxRefusal | None,
    ) -> None:
        """Keeps what is to be known of a call."""
        aws = None if refused is None else answer_of(refused)
        self._calls.append(
            _Call(
                route.service, turn.caller, turn.operation,
                {name: value for name, value in turn.parameters.items() if name in _KEPT_PARAMETERS},
                turn.now, turn.request_id, request.peer, request.headers.get("user-agent", ""),
                _without_secrets(result), "" if aws is None else aws.code, "" if aws is None else aws.message,
            )
        )  # fmt: skip

    def records(self) -> Iterator[dict[str, object]]:
        """CloudTrail's records, oldest first."""
        for call in list(self._calls):
            yield _record(call)


def _record(call: _Call) -> dict[str, object]:
    record: dict[str, object] = {
        "eventVersion": "1.08",
        "userIdentity": _identity(call.caller),
        "eventTime": iso_time(call.now),
        "eventSource": _SOURCES[call.service],
        "eventName": call.operation,
        "awsRegion": call.caller.region,
        "sourceIPAddress": call.peer,
        "userAgent": call.user_agent,
    }
    if call.error_code:
        record |= {"errorCode": call.error_code, "errorMessage": call.error_message}
    return record | {
        "requestParameters": {_lower(name): value for name, value in call.parameters.items()} or None,
        "responseElements": _plain(call.result) or None,
        "requestID": call.request_id,
        "eventID": str(uuid5(NAMESPACE_URL, call.request_id)),
        "readOnly": call.operation.startswith(("Get", "List", "Describe", "Batch")),
        "eventType": "AwsApiCall",
        "recipientAccountId": call.caller.account,
    }


def _identity(caller: Caller) -> dict[str, object]:
    identity: dict[str, object] = {
        "type": _PRINCIPAL_TYPES[caller.principal.kind],
        "principalId": caller.user_id,
        "arn": caller.arn,
        "accountId": caller.account,
        "accessKeyId": caller.key_id,
    }
    session = caller.session
    if caller.user is not None and caller.principal.kind == "user":
        identity["userName"] = caller.user.name
    if session is not None:
        identity["sessionContext"] = {
            "attributes": {
                "mfaAuthenticated": str(session.mfa_at is not None).lower(),
                "creationDate": iso_time(session.issued_at),
            },
            **({"sourceIdentity": session.source_identity} if session.source_identity else {}),
        }
    return identity


def _without_secrets(result: Mapping[str, Value]) -> Mapping[str, Value]:
    credentials = result.get("Credentials")
    if not isinstance(credentials, Mapping):
        return {}
    shown = {name: credentials[name] for name in ("AccessKeyId", "Expiration")}
    return {**result, "Credentials": shown}


def _plain(value: Value) -> object:
    """As CloudTrail writes an answer: names begin small, moments read `Oct 2, 2019, 11:12:29 PM`."""
    if isinstance(value, Moment):
        moment = datetime.fromtimestamp(value.seconds, UTC)
        return f"{moment:%b} {moment.day}, {moment.year}, {moment.hour % 12 or 12}:{moment:%M:%S} {moment:%p}"
    if isinstance(value, Mapping):
        return {_lower(name): _plain(inner) for name, inner in value.items()}
    return value


def _lower(name: str) -> str:
    return name[:1].lower() + name[1:]
