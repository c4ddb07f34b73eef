"""Converts CloudTrail records to OCSF 1.1, as AWS maps them for Security Lake's source version 2.

Written from https://github.com/ocsf/examples/tree/main/mappings/markdown/AWS/v1.1.0/CloudTrail. The conversion is
only as complete as the columns of TYPES: what the questions read, and a few fields beside.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

VERSION = "1.1.0"
TYPES = {
    "metadata": "STRUCT(uid VARCHAR, version VARCHAR, event_code VARCHAR,"
    " product STRUCT(name VARCHAR, vendor_name VARCHAR, version VARCHAR, feature STRUCT(name VARCHAR)))",
    "time": "BIGINT",
    "time_dt": "TIMESTAMP",
    "class_uid": "INTEGER",
    "cloud": "STRUCT(region VARCHAR, provider VARCHAR)",
    "api": "STRUCT(operation VARCHAR, service STRUCT(name VARCHAR), request STRUCT(uid VARCHAR, data VARCHAR),"
    " response STRUCT(error VARCHAR, message VARCHAR, data VARCHAR))",
    "actor": 'STRUCT("user" STRUCT(type VARCHAR, name VARCHAR, uid VARCHAR, uid_alt VARCHAR, credential_uid VARCHAR,'
    " account STRUCT(uid VARCHAR)), session STRUCT(is_mfa BOOLEAN, issuer VARCHAR), invoked_by VARCHAR)",
    "src_endpoint": "STRUCT(ip VARCHAR, domain VARCHAR)",
    "unmapped": "MAP(VARCHAR, VARCHAR)",
}
"""The columns of the table, with DuckDB's types."""
_AUTHENTICATIONS = {"ConsoleLogin", "AssumeRole", "AssumeRoleWithSAML", "AssumeRoleWithWebIdentity"}
_MAPPED = {
    "userIdentity.type",
    "userIdentity.userName",
    "userIdentity.arn",
    "userIdentity.principalId",
    "userIdentity.accountId",
    "userIdentity.accessKeyId",
    "userIdentity.invokedBy",
    "userIdentity.sessionContext.attributes.mfaAuthenticated",
    "userIdentity.sessionContext.sessionIssuer.arn",
    "eventTime",
    "eventName",
    "eventSource",
    "eventCategory",
    "eventVersion",
    "eventType",
    "eventID",
    "errorCode",
    "errorMessage",
    "requestID",
    "awsRegion",
    "sourceIPAddress",
    "requestParameters",
    "responseElements",
}
"""The paths that have a place of their own."""


def ocsf_of(record: dict[str, Any], version: str = VERSION) -> dict[str, Any]:
    """The OCSF event of a record with a valid time."""
    moment = datetime.fromisoformat(record["eventTime"])
    moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    identity = record.get("userIdentity") or {}
    context = identity.get("sessionContext") or {}
    mfa = (context.get("attributes") or {}).get("mfaAuthenticated")
    address = record.get("sourceIPAddress")
    name = record.get("eventName")
    return {
        "metadata": {
            "uid": record.get("eventID"),
            "version": version,
            "event_code": record.get("eventType"),
            "product": {
                "name": "CloudTrail",
                "vendor_name": "AWS",
                "version": record.get("eventVersion"),
                "feature": {"name": record.get("eventCategory")},
            },
        },
        "time": int(moment.timestamp() * 1000),
        "time_dt": moment.replace(tzinfo=None).isoformat(" "),
        "class_uid": 3002 if name in _AUTHENTICATIONS else 6003,
        "cloud": {"region": record.get("awsRegion"), "provider": "AWS"},
        "api": {
            "operation": name,
            "service": {"name": record.get("eventSource")},
            "request": {"uid": record.get("requestID"), "data": _text(record.get("requestParameters"))},
            "response": {
                "error": record.get("errorCode"),
                "message": record.get("errorMessage"),
                "data": _text(record.get("responseElements")),
            },
        },
        "actor": {
            "user": {
                "type": identity.get("type"),
                "name": identity.get("userName"),
                "uid": identity.get("arn"),
                "uid_alt": identity.get("principalId"),
                "credential_uid": identity.get("accessKeyId"),
                "account": {"uid": identity.get("accountId")},
            },
            "session": {
                "is_mfa": None if mfa is None else str(mfa).lower() == "true",
                "issuer": (context.get("sessionIssuer") or {}).get("arn"),
            },
            "invoked_by": identity.get("invokedBy"),
        },
        "src_endpoint": {"ip": address, "domain": None} if _is_address(address) else {"ip": None, "domain": address},
        "unmapped": dict(_unmapped(record)),
    }


def _is_address(text: object) -> bool:
    try:
        ipaddress.ip_address(str(text))
    except ValueError:
        return False
    return True


def _text(value: object) -> str | None:
    return None if value is None else json.dumps(value)


def _unmapped(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield the path and text of each leaf without a place in OCSF."""
    if path in _MAPPED or value is None:
        return
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _unmapped(inner, f"{path}.{name}" if path else name)
    elif path:
        yield path, value if isinstance(value, str) else json.dumps(value)
