"""Formats records as CloudTrail writes them.

Most calls of a month are those of ordinary services. Their records are templates in which a few values change.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

from tests.cloudtrail.columns import spoken
from tests.cloudtrail.facts import Json

encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
DEFAULT_ADDRESS: Final = "198.51.100.7"
HIDDEN: Final = "HIDDEN_DUE_TO_SECURITY_REASONS"


class Kind(NamedTuple):
    """A kind of call that ordinary services make all day."""

    service: str
    name: str
    category: str
    weight: int
    template: str
    """The `%` template, with identity, error, time, region, address, agent, account, number, request and event."""


@lru_cache(maxsize=4096)
def expiration(seconds: int) -> str:
    """A time in CloudTrail's format for expirations: `Nov 2, 2026, 9:05:00 AM`."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%b} {moment.day}, {moment.year}, {moment.hour % 12 or 12}:{moment:%M:%S} {moment:%p}"


def uuid_of(bits: int) -> str:
    """128 random bits as a UUID."""
    text = f"{bits:032x}"
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"


def record(time: int, source: str, name: str, identity: Json | None, **more: Any) -> Json:
    """A record with the common fields; `more` overrides fields, and a value of `...` removes a field."""
    made: Json = {
        "eventVersion": "1.11",
        "userIdentity": identity,
        "eventTime": spoken(time),
        "eventSource": source,
        "eventName": name,
        "awsRegion": "eu-west-1",
        "sourceIPAddress": DEFAULT_ADDRESS,
        "userAgent": "aws-sdk-go-v2/1.39.2 ua/2.1 os/linux lang/go#1.25.1 md/GOOS#linux md/GOARCH#arm64",
        "requestParameters": None,
        "responseElements": None,
        "readOnly": True,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "eventCategory": "Management",
        "tlsDetails": {
            "tlsVersion": "TLSv1.3",
            "cipherSuite": "TLS_AES_128_GCM_SHA256",
            "clientProvidedHostHeader": source.replace(".", ".eu-west-1.", 1),
        },
        **more,
    }
    return {name: value for name, value in made.items() if value is not ...}


def answer(key: str, expires: str, arn: str, unique: str, source_identity: str) -> Json:
    """The response of STS without its secrets."""
    given: Json = {"credentials": {"accessKeyId": key, "sessionToken": HIDDEN, "expiration": expires}}
    if arn:
        given["assumedRoleUser"] = {"assumedRoleId": unique, "arn": arn}
    if source_identity:
        given["sourceIdentity"] = source_identity
    return given


def _template(service: str, name: str, parameters: Json | None, more: Mapping[str, Any]) -> str:
    """The record's text with placeholders for the values that change."""
    made = record(
        0,
        f"{service}.amazonaws.com",
        name,
        {},
        awsRegion="@region@",
        sourceIPAddress="@address@",
        userAgent="@agent@",
        requestParameters=parameters,
        requestID="@request@",
        eventID="@event@",
        recipientAccountId="@account@",
        **more,
    )
    made |= {"userIdentity": "@identity@", "eventTime": "@time@"}
    text = encode(made).replace("%", "%%")
    text = re.sub(r'"@(identity|agent)@"', r"%(\1)s", text)
    text = text.replace('"requestParameters"', '%(error)s"requestParameters"')
    return re.sub(r"@(\w+)@", r"%(\1)s", text)


def _kind(
    service: str, name: str, weight: int, parameters: Json | None, category: str = "Management", **more: Any
) -> Kind:
    more = {"managementEvent": category == "Management", "eventCategory": category, **more}
    return Kind(service, name, category, weight, _template(service, name, parameters, more))


_BUCKET: Final = "arn:aws:s3:::example-lake-@account@"
KINDS: Final = (
    _kind(
        "s3",
        "GetObject",
        30,
        {
            "bucketName": "example-lake-@account@",
            "key": "events/2026/10/part-@number@.parquet",
            "x-id": "GetObject",
            "Host": "example-lake-@account@.s3.@region@.amazonaws.com",
        },
        "Data",
        additionalEventData={
            "SignatureVersion": "SigV4",
            "CipherSuite": "TLS_AES_128_GCM_SHA256",
            "bytesTransferredIn": 0,
            "AuthenticationMethod": "AuthHeader",
            "x-amz-id-2": "kP9wLp0Zr1tU5mN3EXAMPLE@number@",
            "bytesTransferredOut": 4096,
        },
        resources=[
            {"type": "AWS::S3::Object", "ARN": f"{_BUCKET}/events/2026/10/part-@number@.parquet"},
            {"accountId": "@account@", "type": "AWS::S3::Bucket", "ARN": _BUCKET},
        ],
    ),
    _kind(
        "s3",
        "PutObject",
        10,
        {"bucketName": "example-lake-@account@", "key": "out/@number@", "x-id": "PutObject"},
        "Data",
        readOnly=False,
        resources=[{"accountId": "@account@", "type": "AWS::S3::Bucket", "ARN": _BUCKET}],
    ),
    _kind(
        "kms",
        "Decrypt",
        14,
        {
            "encryptionAlgorithm": "SYMMETRIC_DEFAULT",
            "encryptionContext": {"SecretARN": "arn:aws:secretsmanager:@region@:@account@:secret:app/db-@number@"},
        },
        resources=[
            {
                "accountId": "@account@",
                "type": "AWS::KMS::Key",
                "ARN": "arn:aws:kms:@region@:@account@:key/1f3c2a9e-6d0b-4c1e-9a53-0c7d5e8b2f11",
            }
        ],
    ),
    _kind("secretsmanager", "GetSecretValue", 12, {"secretId": "app/db-@number@", "versionStage": "AWSCURRENT"}),
    _kind(
        "ec2",
        "DescribeInstances",
        9,
        {
            "filterSet": {"items": [{"name": "tag:service", "valueSet": {"items": [{"value": "api-@number@"}]}}]},
            "maxResults": 1000,
        },
    ),
    _kind("ssm", "GetParameters", 5, {"names": ["/app/@number@/url", "/app/@number@/user"], "withDecryption": True}),
    _kind(
        "logs",
        "PutLogEvents",
        4,
        {"logGroupName": "/app/@number@", "logStreamName": "1"},
        readOnly=False,
        apiVersion="2014-03-28",
    ),
    _kind(
        "dynamodb",
        "GetItem",
        6,
        {"tableName": "sessions", "key": {"id": "HIDDEN_DUE_TO_SECURITY_REASONS"}},
        "Data",
        resources=[
            {
                "accountId": "@account@",
                "type": "AWS::DynamoDB::Table",
                "ARN": "arn:aws:dynamodb:@region@:@account@:table/sessions",
            }
        ],
    ),
    _kind("lambda", "Invoke", 5, {"functionName": "work-@number@", "invocationType": "Event"}, "Data", readOnly=False),
    _kind("sts", "GetCallerIdentity", 4, None),
    _kind("iam", "GetRole", 2, {"roleName": "Deploy"}),
    _kind("cloudformation", "DescribeStacks", 2, {"stackName": "api-@number@"}),
    _kind("ecr", "BatchGetImage", 2, {"repositoryName": "api", "imageIds": [{"imageTag": "@number@"}]}),
)
WEIGHTS: Final = tuple(kind.weight for kind in KINDS)
