"""Formats the audit record of an act in CloudTrail's format, so that tools for CloudTrail can read it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import datetime

from dsops.arn import parse_arn
from dsops.errors import DsopsError, Failures
from dsops.runtime import Act
from dsops.startup import NamedTuple
from dsops.version import __version__

EVENT_VERSION = "1.11"
OWN_SOURCE = "dsops"
"""The event source of acts that make no AWS call."""
EVENT_TYPE = "DsopsEvent"
_CALL = "AwsApiCall"
_NO_ERROR: Mapping[str, object] = {}
_MOST_BEGINS = 64
_READS = ("Assume", "Get", "Issue", "Read", "Trail")
_TYPES = {"user": "IAMUser", "root": "Root", "assumed-role": "AssumedRole", "federated-user": "FederatedUser"}


_encode = json.JSONEncoder(separators=(",", ":")).encode
"""The encoder of records.

`json.dumps` with separators would create an encoder for each call, which takes one of the seven microseconds that a
record takes.
"""


class Origin(NamedTuple):
    """The process that acted, and its run."""

    run: str
    """The id of the run, which all records of the run contain."""
    pid: int
    uid: int
    host: str
    folder: str


def origin_here(run: str, pid: int, folder: str) -> Origin:
    """Return the origin for this process: its run, its user and its machine."""
    return Origin(run, pid, os.getuid(), os.uname().nodename, folder)


class _Common(NamedTuple):
    """The fields that all records of a process have in common."""

    facts: Mapping[str, object]
    """The facts of the run."""
    names: frozenset[str]
    """The names of the run's facts and of the process's fields."""
    text: str
    """The run's facts and the process's fields as JSON, without braces."""


class Recorder:
    """Formats the records of one process; the fields that all records share are encoded once."""

    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self._begins: dict[tuple[str, str, str], str] = {}
        """Encoded first fields of records, by caller, access key and time."""
        self._common: _Common | None = None

    def record(self, act: Act, facts: Mapping[str, object], now: datetime) -> bytes:
        """Return the record of an act as one JSON object, in ASCII and on one line; `facts` are the run's facts."""
        common = self._common  # read the attribute once, since several threads may run this method
        if common is None or facts != common.facts:
            common = self._common = self._in_common(facts)
        own: Mapping[str, object] = act.facts if act.error is None else {**act.facts, "code": act.error.code}
        end = common.text
        # The fields come from three sources. If a name occurs in several, the origin (the process) wins over the act,
        # and the act over the run.
        if not common.names.isdisjoint(own):
            own, end = {**facts, **own, **self._origin._asdict()}, ""
        record = {
            "eventSource": f"{act.service}.amazonaws.com" if act.service else OWN_SOURCE,
            "eventName": act.name,
            "awsRegion": act.region,
            **(_error(act.error, act.service) if act.error is not None else _NO_ERROR),
            "requestParameters": act.asked or None,
            "responseElements": act.answer or None,
            "requestID": act.request_id or _request_id(act) or None,
            "eventID": _event_id(),
            "readOnly": act.name.startswith(_READS),
            "eventType": _CALL if act.service else EVENT_TYPE,
            "recipientAccountId": _recipient(act) or None,
            "additionalEventData": own,
        }
        text = _encode(record)
        line = f"{self._begin(act, now)}{text[1:-2]}{',' if own and end else ''}{end}}}}}"
        return (_whole_characters(line) if "\\ud" in line else line).encode("ascii")

    def _in_common(self, facts: Mapping[str, object]) -> _Common:
        every = {**facts, **self._origin._asdict()}
        return _Common(dict(facts), frozenset(every), _encode(every)[1:-1])

    def _begin(self, act: Act, now: datetime) -> str:
        """Encode the first fields of a record, which all acts of one caller within the same second have in common."""
        place = (act.caller, act.key, now.isoformat(timespec="seconds"))
        begin = "" if act.identity else self._begins.get(place, "")
        if not begin:
            head = {
                "eventVersion": EVENT_VERSION,
                "userIdentity": _identity(act, self._origin),
                "eventTime": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "userAgent": f"dsops/{__version__}",
            }
            begin = f"{_encode(head)[:-1]},"
            if len(self._begins) >= _MOST_BEGINS:
                self._begins.clear()
            if not act.identity:
                self._begins[place] = begin
        return begin


def _whole_characters(line: str) -> str:
    """Replace lone surrogates by U+FFFD; they represent bytes of a name or folder that are not UTF-8.

    Only Python accepts escaped lone surrogates in JSON: DuckDB, and therefore the report, would skip the line.
    """
    record = json.dumps(json.loads(line), ensure_ascii=False)
    return _encode(json.loads(record.encode("utf-16", "surrogatepass").decode("utf-16", "replace")))


def record_of(act: Act, origin: Origin, facts: Mapping[str, object], now: datetime) -> bytes:
    """Return the record of a single act."""
    return Recorder(origin).record(act, facts, now)


def _identity(act: Act, origin: Origin) -> Mapping[str, object]:
    """Return CloudTrail's `userIdentity`: the signer of the call, or this machine's user if nothing was signed."""
    if act.identity:
        return act.identity
    if not act.caller and not act.key:
        return {"type": "Unknown", "userName": f"uid {origin.uid}"}
    arn = parse_arn(act.caller)
    identity: dict[str, object] = {"type": _TYPES.get(arn.resource_type, "Unknown") if arn is not None else "Unknown"}
    if arn is not None:
        identity |= {"arn": act.caller, "accountId": arn.account}
    if act.key:
        identity["accessKeyId"] = act.key
    return identity


def _recipient(act: Act) -> str:
    """Return the account that the act concerns: the account of the role, or else of the caller."""
    for text in (act.asked.get("roleArn"), act.facts.get("arn"), act.caller):
        arn = parse_arn(text) if isinstance(text, str) else None
        if arn is not None:
            return arn.account
    return ""


def _error(error: DsopsError, service: str) -> Mapping[str, object]:
    """Return the error's code and message, which contain no secret.

    They are AWS's own if AWS refused the call, otherwise those of dsops.
    """
    if isinstance(error, Failures):
        codes = ", ".join(sorted({failure.code for failure in error.errors}))
        return {"errorCode": error.code, "errorMessage": f"{error.message}: {codes}"}
    if service and error.aws is not None and error.aws.code:
        return {"errorCode": error.aws.code, "errorMessage": error.aws.message}
    return {"errorCode": error.code, "errorMessage": error.message}


def _request_id(act: Act) -> str:
    """Return the request id of a refused call; "" for an act that made no call."""
    aws = act.error.aws if act.error is not None and act.service else None
    return aws.request_id if aws is not None else ""


def _event_id() -> str:
    """Return a random UUID (RFC 9562, version 4). Importing `uuid` would cost a cold run 3 ms."""
    data = bytearray(os.urandom(16))
    data[6] = data[6] & 0x0F | 0x40
    data[8] = data[8] & 0x3F | 0x80
    text = data.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
