"""The first half of the naive program: reads the files below a folder into parsed calls."""

from __future__ import annotations

import gzip
import json
import os
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

Json = Any  # any JSON value: a file may contain anything
ISSUES = (
    "AssumeRole",
    "AssumeRoleWithSAML",
    "AssumeRoleWithWebIdentity",
    "AssumeRoot",
    "GetSessionToken",
    "GetFederationToken",
)


class Read:
    """The calls read from the files, with counts."""

    def __init__(self, folder: str) -> None:
        self.files = self.records = self.skipped = 0
        self.unreadable: list[str] = []
        self.calls: dict[object, Call] = {}
        for path in sorted(paths(folder)):
            self.files += 1
            try:
                elements = list(elements_of(os.path.join(folder, path)))
            except (OSError, EOFError, ValueError, zlib.error):
                self.unreadable.append(path)
                continue
            for element in elements:
                self.add(element)

    def add(self, element: Json) -> None:
        """Add a record; each call is kept once, as its most complete record."""
        time = moment(element.get("eventTime")) if isinstance(element, dict) else None
        if time is None or element.get("eventName") is None:
            self.skipped += 1
            return
        self.records += 1
        call = Call(element, time)
        name = element.get("sharedEventID") or element.get("eventID") or object()
        kept = self.calls.get(name)
        if kept is None or call.rank < kept.rank:
            self.calls[name] = call


def paths(folder: str) -> Iterator[str]:
    """The paths below the folder that may be logs."""
    for above, _, names in os.walk(folder):
        for name in names:
            if name.endswith((".json.gz", ".json", ".jsonl")):
                yield os.path.relpath(os.path.join(above, name), folder)


def elements_of(path: str) -> Iterator[Json]:
    """Yield the elements of `Records`, or the lines of a file of JSON lines."""
    with gzip.open(path) if path.endswith(".gz") else open(path, "rb") as file:
        if path.endswith(".jsonl"):
            for line in file:
                try:
                    yield json.loads(line)
                except ValueError:
                    yield None
            return
        whole = json.load(file)
    records = whole.get("Records") if isinstance(whole, dict) else None
    if isinstance(records, list):
        yield from records
    elif "CloudTrail-Digest" not in path:  # a digest file contains no records
        yield None


def moment(text: Json) -> datetime | None:
    """Parse a time in any of CloudTrail's formats, in whole seconds; None if it is malformed."""
    if not isinstance(text, str):
        return None
    for way in (datetime.fromisoformat, lambda text: datetime.strptime(f"{text} +0000", "%b %d, %Y, %I:%M:%S %p %z")):
        try:
            found = way(text)
        except ValueError:
            continue
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC).replace(microsecond=0)
    return None


def at(tree: Json, path: str) -> Json:
    """The value at a dotted path; None if there is no value."""
    for name in path.split("."):
        tree = tree.get(name) if isinstance(tree, dict) else None
    return tree


def account_of(arn: str) -> str:
    """The account id in an ARN."""
    parts = arn.split(":")
    return parts[4] if len(parts) > 5 and parts[0] == "arn" else ""


class Call:
    """A parsed record."""

    def __init__(self, record: Json, time: datetime) -> None:
        self.time = time
        self.identity = at(record, "userIdentity")
        self.name = record["eventName"]
        self.service = (record.get("eventSource") or "").removesuffix(".amazonaws.com")
        self.code = record.get("errorCode") or ""
        self.is_cached = at(record, "additionalEventData.cached") is True
        self.category = record.get("eventCategory") or (
            "Data" if record.get("managementEvent") is False else "Management"
        )
        self.rank = (
            not at(self.identity, "arn"),
            time,
            record.get("recipientAccountId") or "",
            record.get("eventID") or "",
        )
        self.is_issue = self.service == "sts" and self.name in ISSUES
        self.recipient = record.get("recipientAccountId") or ""
        self.signed_by = at(self.identity, "accessKeyId") or ""
        self.principal = self.principal_of()
        self.role = ""
        self.key = ""
        self.last_use: datetime | None = None
        self.parent: Call | None = None
        if self.is_issue:
            self.look_at_issue(record)

    def look_at_issue(self, record: Json) -> None:
        """Read the fields that only calls for credentials have."""
        asked, given = record.get("requestParameters"), record.get("responseElements")
        self.role = at(asked, "roleArn") or self.name
        target = at(asked, "targetPrincipal")
        if self.name == "AssumeRoot" and target:
            self.role = f"arn:aws:iam::{account_of(target) or target}:root"
        self.pair = at(self.identity, "accountId") or "", account_of(self.role)
        self.has_mfa = (
            at(asked, "serialNumber") is not None
            or at(self.identity, "sessionContext.attributes.mfaAuthenticated") == "true"
        )
        self.has_external_id = at(asked, "externalId") is not None
        self.session_name = at(asked, "roleSessionName") or ""
        self.arn = at(given, "assumedRoleUser.arn") or ""
        self.source_identity = at(asked, "sourceIdentity") or at(self.identity, "sessionContext.sourceIdentity") or ""
        self.address = record.get("sourceIPAddress") or ""
        if not self.code:
            self.key = at(given, "credentials.accessKeyId") or ""
        seconds = at(asked, "durationSeconds")
        self.expires = moment(at(given, "credentials.expiration"))
        if self.expires is None and seconds is not None:
            self.expires = self.time + timedelta(seconds=seconds)
        if seconds is None and self.expires is not None:
            seconds = int((self.expires - self.time).total_seconds())
        self.asked = seconds

    def principal_of(self) -> str:
        """The name of the caller in answers."""
        who, kind = self.identity, at(self.identity, "type")
        issuer = at(who, "sessionContext.sessionIssuer.arn")
        if kind == "AssumedRole" and issuer:
            is_person = issuer.split("/")[-1].startswith("AWSReservedSSO_") and at(who, "arn")
            return str(at(who, "arn") if is_person else issuer)
        begin, is_session, session = (at(who, "arn") or "").partition(":assumed-role/")
        if kind == "AssumedRole" and is_session and not session.startswith("AWSReservedSSO_"):
            return f"{begin.replace(':sts:', ':iam:')}:role/{session.split('/')[0]}"
        name = at(who, "principalId")
        if kind in {"WebIdentityUser", "SAMLUser"} and name:
            return str(name)
        if at(who, "arn"):
            return str(who["arn"])
        if kind == "AWSAccount":
            return f"{at(who, 'accountId') or ''}/{(name or '').split(':')[0]}"
        key = at(who, "accessKeyId") or ""
        return str(at(who, "invokedBy") or name or (key if key.startswith("AKIA") else "unknown"))

    @property
    def used(self) -> int:
        """The seconds between issue and last use of the session."""
        return max(0, int(((self.last_use or self.time) - self.time).total_seconds()))

    def hops(self) -> list[Call]:
        """The chain from the first session; at most eight hops are traced back."""
        found = [self]
        while found[0].parent is not None and len(found) <= 8:
            found.insert(0, found[0].parent)
        return found
