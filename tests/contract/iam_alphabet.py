"""A few callers, and a few values for policies and requests, so that they often match."""

from __future__ import annotations

from typing import Any, NamedTuple

from dsops.policy import Principal
from tests.unit.policy.policies import ACCOUNT, GITHUB, OTHER

Json = Any  # a JSON document as `json.dumps` accepts it

# --- callers ------------------------------------------------------------------------------------------------

USER = Principal("user", ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/team/alice", unique_id="AIDAEXAMPLEALICE00001")
# The role has no path: iam-simulate knows a role only by its session's ARN, which has none.
SESSION = Principal(
    "role-session",
    ACCOUNT,
    f"arn:aws:sts::{ACCOUNT}:assumed-role/App/run-1",
    issuer_arn=f"arn:aws:iam::{ACCOUNT}:role/App",
    unique_id="AROAEXAMPLEAPP0000001",
)
# The session is named like the federating user: iam-simulate can identify the user only by that name.
FEDERATED = Principal(
    "federated-session",
    ACCOUNT,
    f"arn:aws:sts::{ACCOUNT}:federated-user/bob",
    issuer_arn=f"arn:aws:iam::{ACCOUNT}:user/bob",
    unique_id="AIDAEXAMPLEBOB0000001",
)
ROOT = Principal("root", ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root")
SERVICE = Principal("service", "", "", federated="lambda.amazonaws.com")
ANONYMOUS = Principal("anonymous", "", "")
WORKFLOW = Principal("web-identity", "", "", federated=GITHUB)
PERSON = Principal("saml", "", "", federated=f"arn:aws:iam::{ACCOUNT}:saml-provider/Corp")

SIGNED = (USER, USER, SESSION, SESSION, FEDERATED, FEDERATED)
"""Callers with identity policies."""

PRINCIPAL_FORMS: dict[str, Json] = {
    "everyone": "*",
    "everyone as AWS": {"AWS": "*"},
    "account id": {"AWS": ACCOUNT},
    "account root": {"AWS": ROOT.arn},
    "user": {"AWS": USER.arn},
    "role": {"AWS": SESSION.issuer_arn},
    "role session": {"AWS": SESSION.arn},
    "federated user": {"AWS": FEDERATED.arn},
    "user who federated": {"AWS": FEDERATED.issuer_arn},
    "service": {"Service": SERVICE.federated},
    "identity provider": {"Federated": GITHUB},
    "SAML provider": {"Federated": PERSON.federated},
}
"""Every principal form that both programs support, without unique ids: iam-simulate's callers have none."""

STRANGERS: tuple[Json, ...] = (
    {"AWS": OTHER},
    {"AWS": f"arn:aws:iam::{OTHER}:root"},
    {"AWS": f"arn:aws:iam::{ACCOUNT}:user/alice"},
    {"AWS": f"arn:aws:iam::{ACCOUNT}:role/Other"},
    {"AWS": f"arn:aws:sts::{ACCOUNT}:assumed-role/App/run-2"},
    {"Service": "ec2.amazonaws.com"},
)

# --- actions and resources ----------------------------------------------------------------------------------

RESOURCES = {
    "s3:GetObject": "arn:aws:s3:::bucket/logs/a.txt",
    "s3:ListAllMyBuckets": "*",
    "secretsmanager:GetSecretValue": "arn:aws:secretsmanager:us-east-1:{account}:secret:prod/a-AbCdEf",
    "sqs:SendMessage": "arn:aws:sqs:us-east-1:{account}:jobs-a",
    "kms:Decrypt": "arn:aws:kms:us-east-1:{account}:key/0a1b2c3d-1111-2222-3333-444455556666",
    "sts:AssumeRole": "arn:aws:iam::{account}:role/team/Target",
    "sts:AssumeRoleWithWebIdentity": "arn:aws:iam::{account}:role/team/Target",
    "sts:AssumeRoleWithSAML": "arn:aws:iam::{account}:role/team/Target",
}
ORDINARY = (
    "s3:GetObject",
    "secretsmanager:GetSecretValue",
    "sqs:SendMessage",
    "kms:Decrypt",
    "sts:AssumeRole",
    "sts:AssumeRole",
)

# --- conditions ---------------------------------------------------------------------------------------------

# The condition keys that iam-simulate supports; some of them hold several values.
TEXT_KEYS = ("aws:username", "aws:PrincipalTag/Team", "aws:UserAgent")
SET_KEYS = ("aws:TagKeys", "aws:CalledVia")
TEXTS = ("a", "A", "b", "ab", "a*", "")
NUMBERS = ("5", "10", "10.0", "-1", "05", "9.5")
_DATES = ("2026-01-01", "2026-01-01T00:00:00Z", "2026-06-01T12:00:00Z", "2026-06-01T12:00:00+02:00", "1767225600")
_BOOLEANS = ("true", "false", "True")
_ADDRESSES = ("10.0.0.1", "10.0.0.200", "192.0.2.7", "2001:db8::1")
_ARNS = (
    f"arn:aws:sqs:us-east-1:{ACCOUNT}:jobs",
    f"arn:aws:sqs:eu-west-1:{OTHER}:jobs",
    f"arn:aws:sns:us-east-1:{ACCOUNT}:news:a",
)
_BYTES = ("aGVsbG8=", "aGVsbG9v", "QQ==")


class Family(NamedTuple):
    """Operators that compare the same kind of value, their condition keys, and values for policies and requests."""

    operators: tuple[str, ...]
    keys: tuple[str, ...]
    wanted: tuple[str, ...]
    actual: tuple[str, ...]


FAMILIES = (
    Family(
        ("StringEquals", "StringNotEquals"),
        (*TEXT_KEYS, *SET_KEYS),
        ("a", "b", "ab", "${aws:username}", "${aws:PrincipalTag/Team, 'b'}", "${$}{x}"),
        TEXTS,
    ),
    Family(("StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase"), (*TEXT_KEYS, *SET_KEYS), ("a", "B", "AB"), TEXTS),
    Family(
        ("StringLike", "StringNotLike"),
        (*TEXT_KEYS, *SET_KEYS),
        ("a", "a*", "?", "*b", "a${*}", "${aws:username}*"),
        TEXTS,
    ),
    Family(
        (
            "NumericEquals",
            "NumericNotEquals",
            "NumericLessThan",
            "NumericLessThanEquals",
            "NumericGreaterThan",
            "NumericGreaterThanEquals",
        ),
        ("aws:MultiFactorAuthAge",),
        ("5", "10", "9.5"),
        NUMBERS,
    ),
    Family(
        (
            "DateEquals",
            "DateNotEquals",
            "DateLessThan",
            "DateLessThanEquals",
            "DateGreaterThan",
            "DateGreaterThanEquals",
        ),
        ("aws:CurrentTime", "aws:TokenIssueTime"),
        _DATES[:4],
        _DATES,
    ),
    Family(("Bool",), ("aws:SecureTransport", "aws:MultiFactorAuthPresent"), ("true", "false"), _BOOLEANS),
    Family(("BinaryEquals",), ("aws:UserAgent",), _BYTES, _BYTES),
    Family(
        ("IpAddress", "NotIpAddress"),
        ("aws:SourceIp",),
        ("10.0.0.0/8", "10.0.0.1", "10.0.0.0/25", "2001:db8::/32", "0.0.0.0/0"),
        _ADDRESSES,
    ),
    Family(
        ("ArnEquals", "ArnNotEquals", "ArnLike", "ArnNotLike"),
        ("aws:SourceArn",),
        (*_ARNS[:2], "arn:aws:sqs:*:*:jobs", f"arn:aws:s?s:*:{ACCOUNT}:*", "arn:*:*:*:*:${aws:username}*"),
        _ARNS,
    ),
)
OPERATORS = (*(name for family in FAMILIES for name in family.operators), "Null")
MODIFIERS = ("", "IfExists", "ForAnyValue:", "ForAllValues:")
