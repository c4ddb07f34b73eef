"""Sends lines of the trail as OpenTelemetry logs, by OTLP/HTTP in JSON.

The format is the JSON Protobuf Encoding of the OTLP specification: lowerCamelCase, enums as numbers, 64-bit integers
as strings. The body of a log is the line itself, byte for byte, since the next line of the trail contains its hash.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast
from urllib.parse import unquote

from dsops import tasks
from dsops.audit.chain import link_of, record_in
from dsops.audit.cursors import LONGEST_REST_SECONDS
from dsops.audit.sinks import Sink, is_header_value
from dsops.aws.http.network import Trust, proxy_for
from dsops.aws.http.transport import open_driver
from dsops.aws.http.wire import Response, WireRequest
from dsops.endpoint import parse_address
from dsops.errors import DsopsError, LineRefused, SinkFailed
from dsops.version import __version__

HEADERS = ("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS")
"""Environment variables with the headers for a sink that has no `headers`; the first variable that is set is used."""

_INFO, _WARN = (9, "INFO"), (13, "WARN")
_RETRIED = (429, 502, 503, 504)
_REFUSED = (400, 413)
_TIMEOUT_MS = 10_000
_MOST_WORDS = 200
_LEAST_HIDDEN = 4
"""The minimum length of masked parts of a header: masking a word like `of` would make messages unreadable."""
_MOST_DIGITS = 18

Record = Mapping[str, Any]  # Any: a file may contain any JSON object.


def body_of(lines: Sequence[bytes], now: float) -> bytes:
    """Build an ExportLogsServiceRequest with one log per line, in order, grouped by host."""
    resources: list[tuple[str, list[object]]] = []
    for line in lines:
        record: Record = record_in(line) or {}
        host = str(_facts(record).get("host") or "")
        if not resources or resources[-1][0] != host:
            resources.append((host, []))
        resources[-1][1].append(_log(line, record, now))
    scope = {"name": "dsops.audit", "version": __version__}
    request = {
        "resourceLogs": [
            {
                "resource": {"attributes": _attributes({"service.name": "dsops", "host.name": host})},
                "scopeLogs": [{"scope": scope, "logRecords": logs}],
            }
            for host, logs in resources
        ]
    }
    return json.dumps(request, separators=(",", ":")).encode("ascii")


def _log(line: bytes, record: Record, now: float) -> dict[str, object]:
    number, text = _WARN if "errorCode" in record or str(record.get("eventName")).startswith("Trail") else _INFO
    facts, place = _facts(record), link_of(dict(record))
    return {
        "timeUnixNano": str(_seconds(record.get("eventTime")) * 10**9),
        "observedTimeUnixNano": str(int(now * 10**9)),
        "severityNumber": number,
        "severityText": text,
        "eventName": str(record.get("eventName") or ""),
        "body": {"stringValue": line.decode("ascii", "replace")},
        "attributes": _attributes(
            {
                "cloud.region": record.get("awsRegion"),
                "cloud.account.id": record.get("recipientAccountId"),
                "aws.request_id": record.get("requestID"),
                "error.type": record.get("errorCode"),
                **{f"dsops.{name}": facts.get(name) for name in _OWN},
                "dsops.number": place.number if place is not None else None,
            }
        ),
    }


_OWN = ("run", "command", "environment", "store", "secret", "reason", "cached")


def _facts(record: Record) -> Record:
    facts = record.get("additionalEventData")
    return facts if isinstance(facts, dict) else {}


def _attributes(values: Mapping[str, object]) -> list[object]:
    """Return the attributes that have a value, in OTLP's format."""
    return [{"key": key, "value": _value(value)} for key, value in values.items() if value not in (None, "")]


def _value(value: object) -> dict[str, object]:
    if isinstance(value, bool):
        return {"boolValue": value}
    return {"intValue": str(value)} if isinstance(value, int) else {"stringValue": str(value)}


def _seconds(time: object) -> int:
    """Return seconds since 1970; 0 (unknown) for a malformed time."""
    try:
        return int(datetime.fromisoformat(str(time)).timestamp())
    except ValueError:
        return 0


def send(sink: Sink, lines: Sequence[bytes], environ: Mapping[str, str], now: float) -> str:
    """Send the lines and wait for the response; return a message about lines rejected for good, or "".

    Raises SinkFailed if the lines have to be sent again, LineRefused if the receiver rejects a line.
    """
    headers = _headers(sink, environ)
    response = _post(sink, headers, body_of(lines, now), environ)
    if response.status in _REFUSED:
        raise LineRefused(f"the receiver answered with status {response.status}{_status_message(response, headers)}")
    if not 200 <= response.status < 300:
        failed = SinkFailed(f"the receiver answered with status {response.status}{_status_message(response, headers)}")
        failed.seconds = _pause(response)
        raise failed
    return _partial(response, headers)


def _post(sink: Sink, headers: Sequence[tuple[str, str]], body: bytes, environ: Mapping[str, str]) -> Response:
    url = sink.target if sink.target.endswith("/v1/logs") else f"{sink.target}/v1/logs"
    address = parse_address(url)
    if address is None:
        raise SinkFailed("the receiver's address is not a valid URL")
    is_encrypted = address.scheme == "https"
    try:
        request = WireRequest(
            "POST",
            url,
            (("Content-Type", "application/json"), *headers),
            body,
            proxy=proxy_for(address, environ),
            trust=Trust(sink.ca_file, "") if sink.ca_file and is_encrypted else None,
            connect_timeout_ms=_TIMEOUT_MS // 2,
            total_timeout_ms=_TIMEOUT_MS,
        )
        driver = open_driver(environ)
        return cast("Response", tasks.run(tasks.transfer(request), driver))
    except DsopsError as error:
        raise SinkFailed(": ".join(filter(None, (error.message, error.why)))) from error


def _headers(sink: Sink, environ: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the sink's headers or, without any, the headers in an environment variable.

    The variable's format is `name=value,name=value`, percent-encoded (OTLP Exporter).
    """
    if sink.headers:
        return [(name, value.reveal()) for name, value in sink.headers]
    text = next((environ[name] for name in HEADERS if environ.get(name)), "")
    headers = []
    for pair in text.split(","):
        name, equals, value = (part.strip() for part in pair.partition("="))
        if equals and name.isascii() and name.replace("-", "").isalnum() and is_header_value(unquote(value)):
            headers.append((name, unquote(value)))
    return headers


def _status_message(response: Response, headers: Sequence[tuple[str, str]]) -> str:
    """Return the message of an OTLP `Status`. The text is untrusted: any server may have written it."""
    return _words(_object(response).get("message"), headers)


def _words(message: object, headers: Sequence[tuple[str, str]]) -> str:
    """Shorten a message for display, and mask headers in it: a receiver may repeat headers that it rejects."""
    if not isinstance(message, str) or not message:
        return ""
    parts = {part for _, value in headers for part in (value, *value.split()) if len(part) >= _LEAST_HIDDEN}
    for part in sorted(parts, key=len, reverse=True):
        message = message.replace(part, "***")
    return f": {message.encode('utf-8', 'replace').decode()[:_MOST_WORDS]}"


def _pause(response: Response) -> int:
    """Return the number of seconds to wait before the next attempt, from the receiver's Retry-After header."""
    seconds = response.headers.get("retry-after", "") if response.status in _RETRIED else ""
    is_number = seconds.isascii() and seconds.isdigit() and len(seconds) < 10
    return min(int(seconds), LONGEST_REST_SECONDS) if is_number else 0


def _partial(response: Response, headers: Sequence[tuple[str, str]]) -> str:
    """Return the receiver's message about rejected lines, which must not be sent again.

    Returns "" if the receiver accepted all lines.
    """
    partial = _object(response).get("partialSuccess")
    rejected = str(partial.get("rejectedLogRecords", 0)) if isinstance(partial, dict) else "0"
    is_number = rejected.isascii() and rejected.isdigit() and len(rejected) <= _MOST_DIGITS
    if not isinstance(partial, dict) or not is_number or not int(rejected):
        return ""
    return f"it did not take {rejected} of them{_words(partial.get('errorMessage'), headers)}"


def _object(response: Response) -> Record:
    try:
        value = json.loads(response.body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
