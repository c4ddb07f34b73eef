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
from typing import Any
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


def record_of(
    request: HttpRequest,
    route: Route,
    turn: AuthenticatedRequest,
    result: Mapping[str, Value],
    refused: SandboxRefusal | None,
    answer: HttpAnswer | None,
) -> dict[str, object]:
    """Return the record of a call without the record's event id and recipient account.

    `answer` is moto's response, from which the error of a failed call is read.
    """
    caller = turn.caller
    is_data = is_data_event(route.service, turn.operation)
    record: dict[str, object] = {
        "eventVersion": VERSION,
        "userIdentity": identity_of(caller),
        "eventTime": iso_time(turn.now),
        "eventSource": f"{event_source(route.service)}.amazonaws.com",
        "eventName": turn.operation,
        "awsRegion": region_of_trail(route.service, caller.partition, caller.region),
        **_source_of(request, turn),
        **_error(route.service, refused, answer),
        "requestParameters": _recorded_parameters(route.service, turn) or None,
        "responseElements": _plain(_without_secrets(result)) or None,
    }
    if route.service == "sts":
        record["additionalEventData"] = _endpoint_data(caller.region)
    record |= {"requestID": turn.request_id, "readOnly": _only_reads(turn.operation)}
    resources = [*resources_of_data(route.service, turn)] if is_data else [*_roles(turn)]
    if resources:
        record["resources"] = resources
    record |= {
        "eventType": "AwsApiCall",
        "managementEvent": not is_data,
        "eventCategory": "Data" if is_data else "Management",
    }
    host = request.headers.get("host", "")
    if host and caller.principal.kind != "service":
        # AWS omits unknown details. The sandbox has no TLS, so the record lacks the TLS version and the cipher.
        record["tlsDetails"] = {"clientProvidedHostHeader": host}
    return record


def packed(record: Mapping[str, object], recipient: str) -> bytes:
    """Serialize a record for the trail of the recipient account. `marshal` takes a fifth of JSON's time."""
    return marshal.dumps({**record, "recipientAccountId": recipient})


def unpacked(data: bytes) -> dict[str, Any]:
    """Deserialize a record and add its event id."""
    record: dict[str, Any] = marshal.loads(data)  # noqa: S302 - this process wrote the data itself
    record["eventID"] = id_of(f"{record['requestID']} {record['recipientAccountId']}")
    return record


def id_of(name: str) -> str:
    """Return a UUID derived from a string, equal to uuid5's result but computed in a third of the time."""
    digits = sha1(NAMESPACE_URL.bytes + name.encode(), usedforsecurity=False).hexdigest()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-5{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:32]}"


def _source_of(request: HttpRequest, turn: AuthenticatedRequest) -> dict[str, object]:
    """Return the call's source address and user agent. Both are the service's name if an AWS service calls."""
    if turn.caller.principal.kind == "service":
        return dict.fromkeys(("sourceIPAddress", "userAgent"), turn.caller.principal.federated)
    return {
        "sourceIPAddress": turn.context.get("aws:SourceIp", (request.peer,))[0],
        "userAgent": request.headers.get("user-agent", ""),
    }


@lru_cache(maxsize=64)
def _endpoint_data(region: str) -> Mapping[str, object]:
    """Return the record's data about STS's endpoint. The sandbox has only regional endpoints."""
    return {"RequestDetails": {"endpointType": "regional", "awsServingRegion": region}}


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
    recorded = {_lower(name): _plain(value) for name, value in turn.parameters.items() if name in _KEPT_PARAMETERS}
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


def _plain(value: object) -> object:
    """Format a value as CloudTrail does: names begin in lower case, times read `Oct 2, 2019, 11:12:29 PM`."""
    # Test the most frequent types first: isinstance with Mapping alone takes a microsecond.
    if isinstance(value, (str, int)):
        return value
    if isinstance(value, Moment):
        return _spoken_time(value.seconds)
    if isinstance(value, (dict, Mapping)):
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
