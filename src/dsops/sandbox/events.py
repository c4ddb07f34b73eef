"""What CloudTrail would have recorded of each call; never a secret's value.

https://docs.aws.amazon.com/IAM/latest/UserGuide/cloudtrail-integration.html. Where AWS records a session token or an
external ID, HIDDEN stands here: these records are read by whoever looks over a developer's shoulder. Records are kept
as bytes: as objects ten thousand of them took 21 MB instead of 9. `marshal` writes them in a fifth of JSON's time.
"""

from __future__ import annotations

import json
import marshal
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache, lru_cache
from itertools import islice
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from dsops.arn import parse_arn
from dsops.errors import SandboxRefusal
from dsops.sandbox.answers import Moment, Value
from dsops.sandbox.caller import Caller
from dsops.sandbox.cbor import decode
from dsops.sandbox.clock import iso_time
from dsops.sandbox.data_events import is_data_event
from dsops.sandbox.models import event_source, service_model
from dsops.sandbox.refusals import answer_of
from dsops.sandbox.route import Route
from dsops.sandbox.sessions import Session
from dsops.sandbox.turn import Turn
from dsops.sandbox.wire import HttpAnswer, HttpRequest

HIDDEN = "HIDDEN_DUE_TO_SECURITY_REASONS"
"""What AWS itself writes for what it does not record."""

_READS = ("Get", "List", "Describe", "BatchGet")
_KEPT_PARAMETERS = frozenset(
    {"SecretId", "VersionId", "VersionStage", "Name", "Names", "Path", "SecretIdList", "WithDecryption", "RoleName",
     "UserName", "GroupName", "PolicyArn", "PolicyName", "SerialNumber", "RoleArn", "RoleSessionName", "ExternalId",
     "DurationSeconds", "SourceIdentity", "Tags", "TransitiveTagKeys", "Policy", "PolicyArns", "PermissionsBoundary",
     "PolicyDocument", "AssumeRolePolicyDocument", "AccessKeyId", "MaxSessionDuration", "PrincipalArn",
     "SAMLAssertionID", "TargetPrincipal", "TaskPolicyArn", "Audience", "SigningAlgorithm", "Scope", "SubjectMode",
     "ScopedSessionDescription", "MinimumSessionTokenSize", "Bucket", "FunctionName", "KeyId", "QueueName", "QueueUrl",
     "TableName", "TopicArn", "authorizationId", "policyUri"}
)  # fmt: skip
"""What may stand in a record; everything else (values, codes, passwords) stays out."""
_PRINCIPAL_TYPES = {
    "user": "IAMUser", "root": "Root", "role-session": "AssumedRole", "federated-session": "FederatedUser",
    "service": "AWSService", "web-identity": "WebIdentityUser", "saml": "SAMLUser",
    "anonymous": "Unknown",
}  # fmt: skip


_MOST = 2**31
"""More than any machine holds; a deque takes no number of any size."""


class Events:
    """The last calls, oldest first."""

    def __init__(self, kept: int) -> None:
        self._records: deque[bytes] = deque(maxlen=min(kept, _MOST))
        self.added = 0
        """How many records there have been, those that are gone included."""

    def add(
        self,
        request: HttpRequest,
        route: Route,
        turn: Turn,
        result: Mapping[str, Value],
        refused: SandboxRefusal | None,
        answer: HttpAnswer | None = None,
    ) -> None:
        """Keeps what is to be known of a call; `answer` is where moto's own refusals are read."""
        if is_data_event(route.service, turn.operation):
            return
        caller = turn.caller
        role = parse_arn(turn.text("RoleArn")) if turn.operation.startswith("AssumeRole") else None
        error = _error(route.service, refused, answer)
        record: dict[str, object] = {
            "eventVersion": "1.08",
            "userIdentity": _identity(caller),
            "eventTime": iso_time(turn.now),
            "eventSource": f"{event_source(route.service)}.amazonaws.com",
            "eventName": turn.operation,
            "awsRegion": caller.region,
            "sourceIPAddress": turn.context.get("aws:SourceIp", (request.peer,))[0],
            "userAgent": request.headers.get("user-agent", ""),
            **error,
            "requestParameters": _asked(turn) or None,
            "responseElements": _plain(_without_secrets(result)) or None,
            "requestID": turn.request_id,
            "readOnly": turn.operation.startswith(_READS),
        }
        if role is not None:
            record["resources"] = list(_resources(turn))
        record |= {"eventType": "AwsApiCall", "managementEvent": True, "eventCategory": "Management"}
        recipient = caller.account or owner_of_role(turn)
        if role is None or error or role.account == recipient:
            self.keep(record, recipient)
            return
        # A refused call is the caller's business alone: the role's account is told of sessions only.
        record["sharedEventID"] = _id(f"{turn.request_id} shared")
        self.keep(record, recipient)
        stranger = {"type": "AWSAccount", "principalId": caller.user_id, "accountId": caller.account}
        self.keep(record | {"userIdentity": stranger}, role.account)

    def records(self, after: int = 0, account: str = "", last: int = 0) -> Iterator[dict[str, Any]]:
        """CloudTrail's records, oldest first: those after that many of `added`, in one account's trail or in all.

        With `last` only so many of them, the newest; what is older is not even unpacked.
        """
        kept = list(self._records)
        gone = self.added - len(kept)
        # More than there were: whoever asks has seen another sandbox on this port.
        start = max(0, after - gone) if after <= self.added else 0
        found: list[dict[str, Any]] = []
        for text in islice(reversed(kept), max(0, len(kept) - start)):
            record: dict[str, Any] = marshal.loads(text)  # noqa: S302 - our own, of this process
            if not account or record["recipientAccountId"] == account:
                found.append(record | {"eventID": _id(f"{record['requestID']} {record['recipientAccountId']}")})
                if len(found) == last:
                    break
        yield from reversed(found)

    def keep(self, record: Mapping[str, object], recipient: str) -> None:
        """Adds a record as it is, but for its id, to the trail of an account."""
        self._records.append(marshal.dumps({**record, "recipientAccountId": recipient}))
        self.added += 1


def _id(name: str) -> str:
    """An id that needs no memory: the same text gives the same one."""
    return str(uuid5(NAMESPACE_URL, name))


def _error(service: str, refused: SandboxRefusal | None, answer: HttpAnswer | None) -> dict[str, object]:
    """Code and message of a refusal, ours or moto's; nothing for a call that was carried out."""
    if refused is not None:
        aws = answer_of(refused)
        return {"errorCode": _exception_names(service).get(aws.code, aws.code), "errorMessage": aws.message}
    if answer is None or answer.status < 400:
        return {}
    headers = {name.lower(): value for name, value in answer.headers}
    text = answer.body.decode("utf-8", "replace")
    if text.startswith("{") or "cbor" in headers.get("content-type", ""):
        said = _said(answer.body)
        code = str(said.get("__type") or headers.get("x-amzn-errortype", "")).rpartition("#")[2]
        return {"errorCode": code, "errorMessage": said.get("message") or said.get("Message") or ""}
    found = [re.search(f"<{name}>([^<]*)</{name}>", text) for name in ("Code", "Message")]
    code, message = ("" if match is None else match[1] for match in found)
    return {"errorCode": _exception_names(service).get(code, code), "errorMessage": message}


def _said(body: bytes) -> Mapping[str, object]:
    """The object in the body of an answer."""
    try:
        said = json.loads(body) if body.startswith(b"{") else decode(body)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


@cache
def _exception_names(service: str) -> Mapping[str, str]:
    """What the wire calls an error -> the exception's name, which CloudTrail records."""
    shapes = service_model(service).error_shapes
    return {shape.error_code: shape.name for shape in shapes}


def _asked(turn: Turn) -> dict[str, object]:
    """The request's parameters, and the tags that its session brings along."""
    asked = {_lower(name): _plain(value) for name, value in turn.parameters.items() if name in _KEPT_PARAMETERS}
    if "bucket" in asked:
        asked["bucketName"] = asked.pop("bucket")
    if "externalId" in asked:
        asked["externalId"] = HIDDEN
    if "PrincipalTags" in turn.parameters:
        # Keys are data, so they keep their letters.
        asked["principalTags"] = turn.parameters["PrincipalTags"]
    session = turn.caller.session
    if turn.operation == "AssumeRole" and session is not None and session.transitive_keys:
        transitive = {key.lower() for key in session.transitive_keys}
        asked["incomingTransitiveTags"] = {key: value for key, value in session.tags if key.lower() in transitive}
    return asked


def _resources(turn: Turn) -> Iterator[dict[str, str]]:
    """The role that is asked for, and the SAML provider that vouches."""
    for name, kind in (("RoleArn", "Role"), ("PrincipalArn", "SAMLProvider")):
        arn = parse_arn(turn.text(name))
        if arn is not None:
            yield {"ARN": turn.text(name), "accountId": arn.account, "type": f"AWS::IAM::{kind}"}


def owner_of_role(turn: Turn) -> str:
    """Whose trail has an unsigned call: the account's of the role that it asks for."""
    role = parse_arn(turn.text("RoleArn"))
    return "" if role is None else role.account


def _identity(caller: Caller) -> dict[str, object]:
    if caller.principal.kind == "anonymous":
        return {"type": _PRINCIPAL_TYPES["anonymous"]}
    if caller.principal.kind in ("web-identity", "saml"):
        # Of a SAML user the provider is the qualifier that stands before his name, not its ARN (CloudTrail User Guide).
        qualifier = caller.user_id.partition(":")[0]
        return {
            "type": _PRINCIPAL_TYPES[caller.principal.kind],
            "principalId": caller.user_id,
            "userName": caller.subject,
            "identityProvider": qualifier if caller.principal.kind == "saml" else caller.principal.federated,
        }
    if caller.principal.kind == "service":
        return {"type": _PRINCIPAL_TYPES["service"], "invokedBy": caller.principal.federated}
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
        context: dict[str, object] = {
            "attributes": {
                "mfaAuthenticated": str(session.mfa_at is not None).lower(),
                "creationDate": iso_time(session.issued_at),
            },
        }
        issuer = _issuer(caller)
        if issuer is not None:
            context["sessionIssuer"] = issuer
        if session.source_identity:
            context["sourceIdentity"] = session.source_identity
        if any(key == "aws:FederatedProvider" for key, _ in session.federation):
            context["webIdFederationData"] = _web_federation(dict(session.federation))
        if session.kind == "assumed-root":
            context["assumedRoot"] = "true"
        identity["sessionContext"] = context
        identity |= _person(session)
    return identity


def _person(session: Session) -> dict[str, object]:
    """Whose role of IAM Identity Center it is."""
    if session.on_behalf_of is None:
        return {}
    user_id, store_arn = session.on_behalf_of
    return {"onBehalfOf": {"userId": user_id, "identityStoreArn": store_arn}}


def _web_federation(keys: Mapping[str, tuple[str, ...]]) -> dict[str, object]:
    """Whose token a session goes back to; empty for SAML. Claims were seen for the providers that all accounts know."""
    provider = keys["aws:FederatedProvider"][0]
    if "saml:sub" in keys:
        return {}
    claims = {key: ",".join(value) for key, value in keys.items() if key.startswith(f"{provider}:")}
    return {"federatedProvider": provider, "attributes": claims}


def _issuer(caller: Caller) -> dict[str, object] | None:
    """Whose session it is: the role's, or of the user who federated; None where the caller is that one himself."""
    if caller.role is not None:
        issuer = caller.role
        return {
            "type": "Role", "principalId": issuer.unique_id, "arn": issuer.arn, "accountId": issuer.account,
            "userName": issuer.name,
        }  # fmt: skip
    if caller.principal.kind != "federated-session":
        return None
    arn, account = caller.principal.issuer_arn, caller.account
    if caller.user is None:
        return {"type": "Root", "principalId": account, "arn": arn, "accountId": account}
    return {
        "type": "IAMUser", "principalId": caller.user.unique_id, "arn": arn, "accountId": account,
        "userName": caller.user.name,
    }  # fmt: skip


def _without_secrets(result: Mapping[str, Value]) -> Mapping[str, Value]:
    credentials = result.get("Credentials")
    if not isinstance(credentials, Mapping):
        return {}
    shown = {name: credentials[name] for name in ("AccessKeyId", "Expiration")} | {"SessionToken": HIDDEN}
    return {**result, "Credentials": shown}


def _plain(value: object) -> object:
    """As CloudTrail writes a structure: names begin small, moments read `Oct 2, 2019, 11:12:29 PM`."""
    if isinstance(value, (str, int)):  # the commonest first: whether something is a Mapping takes a microsecond
        return value
    if isinstance(value, Moment):
        return _spoken_time(value.seconds)
    if isinstance(value, Mapping):
        return {_lower(str(name)): _plain(inner) for name, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_plain(inner) for inner in value]
    if isinstance(value, datetime):
        return _spoken_time(value.timestamp())
    return HIDDEN if isinstance(value, bytes) else value


@lru_cache(maxsize=64)
def _spoken_time(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%b} {moment.day}, {moment.year}, {moment.hour % 12 or 12}:{moment:%M:%S} {moment:%p}"


def _lower(name: str) -> str:
    return name[:1].lower() + name[1:]
