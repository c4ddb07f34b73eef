"""What CloudTrail would have recorded of each call; never a secret's value.

https://docs.aws.amazon.com/IAM/latest/UserGuide/cloudtrail-integration.html. Records are kept as JSON text: as objects
ten thousand of them took 21 MB instead of 9.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from dsops.arn import parse_arn
from dsops.errors import SandboxRefusal
from dsops.sandbox.answers import Moment, Value
from dsops.sandbox.caller import Caller
from dsops.sandbox.clock import iso_time
from dsops.sandbox.refusals import answer_of
from dsops.sandbox.route import Route
from dsops.sandbox.turn import Turn
from dsops.sandbox.wire import HttpRequest

_READS = ("Get", "List", "Describe", "BatchGet")
_KEPT_PARAMETERS = frozenset(
    {"SecretId", "VersionId", "VersionStage", "Name", "Names", "Path", "SecretIdList", "WithDecryption", "RoleName",
     "UserName", "GroupName", "PolicyArn", "PolicyName", "SerialNumber", "RoleArn", "RoleSessionName", "ExternalId",
     "DurationSeconds", "SourceIdentity", "Tags", "TransitiveTagKeys", "Policy", "PolicyArns", "PermissionsBoundary",
     "PolicyDocument", "AssumeRolePolicyDocument", "AccessKeyId", "MaxSessionDuration"}
)  # fmt: skip
"""What may stand in a record; everything else (values, codes, passwords) stays out."""
_PRINCIPAL_TYPES = {
    "user": "IAMUser", "root": "Root", "role-session": "AssumedRole", "federated-session": "FederatedUser",
    "service": "AWSService", "web-identity": "WebIdentityUser", "anonymous": "Unknown",
}  # fmt: skip


class Events:
    """The last calls, oldest first."""

    def __init__(self, kept: int) -> None:
        self._records: deque[bytes] = deque(maxlen=kept)

    def add(
        self,
        request: HttpRequest,
        route: Route,
        turn: Turn,
        result: Mapping[str, Value],
        refused: SandboxRefusal | None,
    ) -> None:
        """Keeps what is to be known of a call."""
        record: dict[str, object] = {
            "eventVersion": "1.08",
            "userIdentity": _identity(turn.caller),
            "eventTime": iso_time(turn.now),
            "eventSource": f"{route.service}.amazonaws.com",
            "eventName": turn.operation,
            "awsRegion": turn.caller.region,
            "sourceIPAddress": request.peer,
            "userAgent": request.headers.get("user-agent", ""),
        }
        if refused is not None:
            aws = answer_of(refused)
            record |= {"errorCode": aws.code, "errorMessage": aws.message}
        asked = {_lower(name): value for name, value in turn.parameters.items() if name in _KEPT_PARAMETERS}
        record |= {
            "requestParameters": asked or None,
            "responseElements": _plain(_without_secrets(result)) or None,
            "requestID": turn.request_id,
            "readOnly": turn.operation.startswith(_READS),
            "eventType": "AwsApiCall",
            "recipientAccountId": turn.caller.account or _owner_of_role(turn),
        }
        self._records.append(json.dumps(record).encode())

    def records(self) -> Iterator[dict[str, Any]]:
        """CloudTrail's records, oldest first."""
        for text in list(self._records):
            record: dict[str, Any] = json.loads(text)
            yield record | {"eventID": str(uuid5(NAMESPACE_URL, record["requestID"]))}


def _owner_of_role(turn: Turn) -> str:
    """Whose trail has an unsigned call: the account's of the role that it asks for."""
    role = parse_arn(turn.text("RoleArn"))
    return "" if role is None else role.account


def _identity(caller: Caller) -> dict[str, object]:
    if caller.principal.kind == "anonymous":
        return {"type": _PRINCIPAL_TYPES["anonymous"]}
    if caller.principal.kind == "web-identity":
        return {
            "type": _PRINCIPAL_TYPES["web-identity"],
            "principalId": caller.user_id,
            "userName": caller.subject,
            "identityProvider": caller.principal.federated,
        }
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
