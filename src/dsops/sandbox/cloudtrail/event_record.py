"""Build the CloudTrail record of a call, without any secret value.

https://docs.aws.amazon.com/IAM/latest/UserGuide/cloudtrail-integration.html. AWS records session tokens and external
IDs; here HIDDEN replaces them, because these records are shown on developers' screens.
"""

from __future__ import annotations

import json
import marshal
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache, lru_cache
from hashlib import sha1
from typing import Any, NamedTuple
from uuid import NAMESPACE_URL

from dsops.arn import parse_arn, partition_named
from dsops.endpoint import GLOBAL_REGION
from dsops.errors import SandboxRefusal
from dsops.policy import lower_case
from dsops.request.context import iso_time
from dsops.request.messages import HttpAnswer, HttpRequest
from dsops.request.wire.cbor import decode
from dsops.request.wire.errors import answer_of
from dsops.request.wire.models import event_source, service_model
from dsops.request.wire.responses import Moment, Value
from dsops.request.wire.route import Route
from dsops.sandbox.authorization.request import AuthenticatedRequest
from dsops.sandbox.cloudtrail.data_events import is_data_event, resources_of_data
from dsops.sandbox.cloudtrail.event_identity import identity_of

VERSION = "1.11"
"""Version of the record format, as AWS wrote it in its records in 2026."""

HIDDEN = "HIDDEN_DUE_TO_SECURITY_REASONS"
"""AWS's own placeholder for values that it does not record."""

# The services of the sandbox that botocore's endpoints do not list as regionalized. A test compares this set with
# botocore's endpoints.
_GLOBAL_SERVICES = frozenset(
    {"account", "budgets", "ce", "cloudfront", "iam", "networkmanager", "organizations", "route53", "shield"}
)
_REGIONAL_IN: Mapping[str, frozenset[str]] = {
    "aws-cn": frozenset({"networkmanager", "shield"}),
    "aws-us-gov": frozenset({"account", "budgets", "ce", "cloudfront", "shield"}),
}
_HOME_REGIONS: Mapping[tuple[str, str], str] = {("aws", "networkmanager"): "us-west-2", ("aws-cn", "iam"): "cn-north-1"}
_READS = ("Get", "List", "Describe", "BatchGet", "AssumeRo", "Head", "Query", "Scan", "TransactGet", "Filter")
_KEPT_PARAMETERS = frozenset(
    """
    SecretId VersionId VersionStage Name Names Path SecretIdList WithDecryption RoleName UserName GroupName
    PolicyArn PolicyName SerialNumber RoleArn RoleSessionName ExternalId DurationSeconds SourceIdentity Tags
    TransitiveTagKeys Policy PolicyArns PermissionsBoundary PolicyDocument AssumeRolePolicyDocument AccessKeyId
    MaxSessionDuration PrincipalArn SAMLAssertionID TargetPrincipal TaskPolicyArn Audience SigningAlgorithm Scope
    SubjectMode ScopedSessionDescription MinimumSessionTokenSize Bucket FunctionName KeyId QueueName QueueUrl
    TableName TopicArn authorizationId policyUri
    """.split()
)
"""The request parameters that are recorded. All other parameters (secret values, codes, passwords) are omitted."""


class StoredCall(NamedTuple):
    """What CloudTrail records of a call, in types that `marshal` serializes.

    Events store calls instead of records, because a record takes twice as long to serialize, and twice the memory.
    """

    service: str
    operation: str
    at: float
    request_id: str
    partition: str
    region: str
    """The region to which the request was sent."""
    identity: Mapping[str, object]
    source: str
    user_agent: str
    host: str
    """The host name in the request; "" for the call of an AWS service."""
    error: Mapping[str, object]
    """The elements `errorCode` and `errorMessage` of a failed call."""
    parameters: Mapping[str, object]
    response: Mapping[str, object]
    resources: Sequence[Mapping[str, str]]
    recipient: str
    """The account whose trail has the record."""
    shared_id: str = ""
    """The id that the records of a call in two accounts have in common."""

    @property
    def trail_region(self) -> str:
        """The region whose trail records the call."""
        return region_of_trail(self.service, self.partition, self.region)


def call_of(
    request: HttpRequest,
    route: Route,
    turn: AuthenticatedRequest,
    result: Mapping[str, Value],
    refused: SandboxRefusal | None,
    answer: HttpAnswer | None,
    recipient: str,
) -> StoredCall:
    """Return what to record of a call. `answer` is moto's response, from which the error of a failed call is read."""
    caller, service = turn.caller, route.service
    is_of_service = caller.principal.kind == "service"
    return StoredCall(
        service,
        turn.operation,
        turn.now,
        turn.request_id,
        caller.partition,
        caller.region,
        identity_of(caller),
        # If an AWS service makes the call, CloudTrail records the service's name as source address and as user agent.
        caller.principal.federated if is_of_service else turn.context.get("aws:SourceIp", (request.peer,))[0],
        caller.principal.federated if is_of_service else request.headers.get("user-agent", ""),
        "" if is_of_service else request.headers.get("host", ""),
        _error(service, refused, answer),
        _recorded_parameters(service, turn),
        _plain_elements(_without_secrets(result)),
        [*(resources_of_data(service, turn) if is_data_event(service, turn.operation) else _roles(turn))],
        recipient,
    )


def _record_of(call: StoredCall) -> dict[str, Any]:
    """Return the record of a call without the record's event id."""
    is_data = is_data_event(call.service, call.operation)
    record: dict[str, object] = {
        "eventVersion": VERSION,
        "userIdentity": call.identity,
        "eventTime": iso_time(call.at),
        "eventSource": f"{event_source(call.service)}.amazonaws.com",
        "eventName": call.operation,
        "awsRegion": call.trail_region,
        "sourceIPAddress": call.source,
        "userAgent": call.user_agent,
        **call.error,
        "requestParameters": call.parameters or None,
        "responseElements": call.response or None,
    }
    if call.service == "sts":
        # The sandbox has only regional endpoints.
        details = {"endpointType": "regional", "awsServingRegion": call.region}
        record["additionalEventData"] = {"RequestDetails": details}
    record |= {"requestID": call.request_id, "readOnly": _only_reads(call.operation)}
    if call.resources:
        record["resources"] = call.resources
    record |= {
        "eventType": "AwsApiCall",
        "managementEvent": not is_data,
        "eventCategory": "Data" if is_data else "Management",
    }
    if call.host:
        # AWS omits unknown details. The sandbox has no TLS, so the record lacks the TLS version and the cipher.
        record["tlsDetails"] = {"clientProvidedHostHeader": call.host}
    if call.shared_id:
        record["sharedEventID"] = call.shared_id
    return record | {"recipientAccountId": call.recipient}


def packed(call: StoredCall | Mapping[str, object]) -> bytes:
    """Serialize a call, or a whole record. `marshal` takes a fifth of JSON's time."""
    stored: Any = tuple(call) if isinstance(call, StoredCall) else call
    return marshal.dumps(stored)


def unpacked(data: bytes) -> dict[str, Any]:
    """Return the record of serialized data, with the record's event id."""
    stored = marshal.loads(data)  # noqa: S302 - this process wrote the data itself
    record: dict[str, Any] = _record_of(StoredCall(*stored)) if isinstance(stored, tuple) else stored
    record["eventID"] = id_of(f"{record['requestID']} {record['recipientAccountId']}")
    return record


def id_of(name: str) -> str:
    """Return a UUID derived from a string, equal to uuid5's result but computed in a third of the time."""
    digits = sha1(NAMESPACE_URL.bytes + name.encode(), usedforsecurity=False).hexdigest()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-5{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:32]}"


def _only_reads(operation: str) -> bool:
    """Whether AWS marks the operation as read-only. AWS was seen to mark AssumeRole but not GetFederationToken."""
    return operation.startswith(_READS) and operation != "GetFederationToken"


def _error(service: str, refused: SandboxRefusal | None, answer: HttpAnswer | None) -> dict[str, object]:
    """Return the error code and message of a failed call, from the sandbox or from moto; {} for a successful call."""
    if refused is not None:
        aws = answer_of(refused)
        return {"errorCode": _exception_names(service).get(aws.code, aws.code), "errorMessage": aws.message}
    if answer is None or answer.status < 400:
        return {}
    headers = {lower_case(name): value for name, value in answer.headers}
    text = answer.body.decode("utf-8", "replace")
    if text.startswith("{") or "cbor" in headers.get("content-type", ""):
        content = _response_object(answer.body)
        code = str(content.get("__type") or headers.get("x-amzn-errortype", "")).rpartition("#")[2]
        return {"errorCode": code, "errorMessage": content.get("message") or content.get("Message") or ""}
    matches = [re.search(f"<{name}>([^<]*)</{name}>", text) for name in ("Code", "Message")]
    code, message = ("" if match is None else match[1] for match in matches)
    return {"errorCode": _exception_names(service).get(code, code), "errorMessage": message}


def _response_object(body: bytes) -> Mapping[str, object]:
    """Return the object that a response body contains, or {}."""
    try:
        content = json.loads(body) if body.startswith(b"{") else decode(body)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


@cache
def _exception_names(service: str) -> Mapping[str, str]:
    """Map the error codes that responses contain to exception names, which CloudTrail records."""
    shapes = service_model(service).error_shapes
    return {shape.error_code: shape.name for shape in shapes}


def _recorded_parameters(service: str, turn: AuthenticatedRequest) -> dict[str, object]:
    """Return the request parameters to record, and the transitive tags of the caller's session."""
    kept = {name: value for name, value in turn.parameters.items() if name in _KEPT_PARAMETERS}
    recorded = _plain_elements(kept)
    if "bucket" in recorded:
        recorded["bucketName"] = recorded.pop("bucket")
    if service == "s3" and "Key" in turn.parameters:
        recorded["key"] = turn.text("Key")
    if "externalId" in recorded:
        recorded["externalId"] = HIDDEN
    if "PrincipalTags" in turn.parameters:
        # Tag keys are data, so they keep their case.
        recorded["principalTags"] = turn.parameters["PrincipalTags"]
    session = turn.caller.session
    if turn.operation == "AssumeRole" and session is not None and session.transitive_keys:
        transitive = {lower_case(key) for key in session.transitive_keys}
        recorded["incomingTransitiveTags"] = {
            key: value for key, value in session.tags if lower_case(key) in transitive
        }
    return recorded


def _roles(turn: AuthenticatedRequest) -> Iterator[dict[str, str]]:
    """Yield the role and the SAML provider that the request names."""
    if not turn.operation.startswith("AssumeRole"):
        return
    for name, kind in (("RoleArn", "Role"), ("PrincipalArn", "SAMLProvider")):
        text = turn.text(name)
        arn = parse_arn(text) if text else None
        if arn is not None:
            yield {"ARN": text, "accountId": arn.account, "type": f"AWS::IAM::{kind}"}


def _without_secrets(result: Mapping[str, Value]) -> Mapping[str, Value]:
    credentials = result.get("Credentials")
    if not isinstance(credentials, Mapping):
        return {}
    visible = {name: credentials[name] for name in ("AccessKeyId", "Expiration")} | {"SessionToken": HIDDEN}
    return {**result, "Credentials": visible}


def _plain_elements(elements: Mapping[str, object]) -> dict[str, object]:
    # Strings and numbers, the most frequent values, are returned here, because calling `_plain` would take longer.
    return {
        _lower(str(name)): value if isinstance(value, (str, int)) else _plain(value) for name, value in elements.items()
    }


def _plain(value: object) -> object:
    """Format a value as CloudTrail does: names begin in lower case, times read `Oct 2, 2019, 11:12:29 PM`."""
    # Test the most frequent types first: isinstance with Mapping alone takes a microsecond.
    if isinstance(value, (str, int)):
        return value
    if isinstance(value, Moment):
        return _spoken_time(value.seconds)
    if isinstance(value, (dict, Mapping)):
        return _plain_elements(value)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_plain(inner) for inner in value]
    if isinstance(value, datetime):
        return _spoken_time(value.timestamp())
    return HIDDEN if isinstance(value, bytes) else value


@lru_cache(maxsize=64)
def _spoken_time(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%b} {moment.day}, {moment.year}, {moment.hour % 12 or 12}:{moment:%M:%S} {moment:%p}"


@lru_cache(maxsize=1024)
def _lower(name: str) -> str:
    return lower_case(name[:1]) + name[1:]


@lru_cache(maxsize=256)
def region_of_trail(service: str, partition: str, region: str) -> str:
    """Return the region whose trail records the call.

    For IAM this is us-east-1; for a regional service it is the request's region.
    """
    known_partition = partition_named(partition)
    home = region if known_partition is None else known_partition.global_region
    if region == GLOBAL_REGION:
        return home
    if service not in _GLOBAL_SERVICES or service in _REGIONAL_IN.get(partition, ()):
        return region
    return _HOME_REGIONS.get((partition, service), home)
