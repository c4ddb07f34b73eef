"""The trail as OpenTelemetry logs, parsed by OpenTelemetry's own messages, and the answers of receivers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from dsops.audit import otlp
from dsops.audit.chain import hash_of, link
from dsops.audit.sinks import OTLP, Sink
from dsops.errors import LineRefused, SinkFailed
from dsops.secret import Secret
from tests.stubs.authority import make_authority
from tests.stubs.server import Answer, Seen, StubServer

NOW = 1_795_000_000.5
RECORD = {
    "eventTime": "2026-11-24T12:00:00Z",
    "eventName": "GetSecretValue",
    "awsRegion": "us-east-1",
    "requestID": "r-1",
    "recipientAccountId": "222222222222",
    "additionalEventData": {
        "run": "abc",
        "command": "exec",
        "store": "secrets",
        "secret": "prod/db",
        "reason": "INC-1",
        "cached": False,
        "host": "laptop",
    },
}


def line(number: int = 1, previous: str = "0" * 64, **changes: object) -> bytes:
    """Return a line of the trail."""
    return link(json.dumps({**RECORD, **changes}, separators=(",", ":")).encode(), number, previous)


def parsed(body: bytes) -> ExportLogsServiceRequest:
    """Return the request parsed by OpenTelemetry's message; unlike in receivers, unknown fields are an error."""
    request = ExportLogsServiceRequest()
    json_format.Parse(body, request)
    return request


def attributes(pairs: Any) -> dict[str, object]:  # protobuf's own lists
    """Return attributes as a mapping of names to values."""
    return {pair.key: getattr(pair.value, str(pair.value.WhichOneof("value"))) for pair in pairs}


def test_a_log_is_what_opentelemetry_says_it_is() -> None:
    """A log record has time, severity, event name, searchable attributes, and the audit line as body."""
    request = parsed(otlp.body_of([line(7)], NOW))
    [resource] = request.resource_logs
    assert attributes(resource.resource.attributes) == {"service.name": "dsops", "host.name": "laptop"}
    [scope] = resource.scope_logs
    assert scope.scope.name == "dsops.audit"
    [log] = scope.log_records
    assert (log.time_unix_nano, log.observed_time_unix_nano) == (1_795_521_600 * 10**9, int(NOW * 10**9))
    assert (log.severity_number, log.severity_text, log.event_name) == (9, "INFO", "GetSecretValue")
    assert log.body.string_value.encode() == line(7)
    assert attributes(log.attributes) == {
        "cloud.region": "us-east-1",
        "cloud.account.id": "222222222222",
        "aws.request_id": "r-1",
        "dsops.run": "abc",
        "dsops.command": "exec",
        "dsops.store": "secrets",
        "dsops.secret": "prod/db",
        "dsops.reason": "INC-1",
        "dsops.cached": False,
        "dsops.number": 7,
    }


def test_the_json_is_otlps_own() -> None:
    """The request is OTLP's JSON: 64-bit integers are strings, and enums are numbers."""
    log = json.loads(otlp.body_of([line(7)], NOW))["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0]
    assert (log["timeUnixNano"], log["severityNumber"]) == ("1795521600000000000", 9)
    assert {"key": "dsops.number", "value": {"intValue": "7"}} in log["attributes"]


def test_bodies_hold_each_other_as_lines_do() -> None:
    """The body of a log record is the unchanged audit line, so that a receiver can verify the hash chain."""
    first = line(1)
    request = parsed(otlp.body_of([first, line(2, hash_of(first))], NOW))
    first_body, two = (log.body.string_value.encode() for log in request.resource_logs[0].scope_logs[0].log_records)
    assert json.loads(two)["chain"]["previous"] == hash_of(first_body)


@pytest.mark.parametrize(
    ("changes", "severity"), [({"errorCode": "AccessDenied"}, 13), ({"eventName": "TrailDamaged"}, 13), ({}, 9)]
)
def test_what_failed_is_a_warning(changes: dict[str, str], severity: int) -> None:
    """Log records of failed calls and of lines about the trail itself have severity WARN."""
    log = parsed(otlp.body_of([line(7, "0" * 64, **changes)], NOW)).resource_logs[0].scope_logs[0].log_records[0]
    assert log.severity_number == severity


def test_lines_of_several_machines_are_apart() -> None:
    """Lines of several hosts become one resource per host, and their order is kept."""
    lines = [line(number, additionalEventData={"host": host}) for number, host in enumerate("aaba", 1)]
    hosts = [
        (attributes(resource_log.resource.attributes)["host.name"], len(resource_log.scope_logs[0].log_records))
        for resource_log in parsed(otlp.body_of(lines, NOW)).resource_logs
    ]
    assert hosts == [("a", 2), ("b", 1), ("a", 1)]


@pytest.mark.parametrize("odd", [b"[]", b"{}", b'{"eventTime":"soon","additionalEventData":[]}', b'{"a":"\\ud800"}'])
def test_what_is_no_record_is_a_log_all_the_same(odd: bytes) -> None:
    """An invalid audit line is sent as a log record without time, and the request stays valid."""
    assert parsed(otlp.body_of([odd], NOW)).resource_logs[0].scope_logs[0].log_records[0].time_unix_nano == 0


# --- over HTTP ----------------------------------------------------------------------------------------------


def send(answer: Answer, environ: Mapping[str, str] | None = None, path: str = "", **sink: Any) -> tuple[str, Seen]:
    """Return the result of sending two lines, and the request. Any: fields of a Sink."""
    with StubServer(lambda _seen: answer) as server:
        result = otlp.send(Sink(OTLP, f"{server.url}{path}", **sink), [line(1), line(2)], environ or {}, NOW)
        [seen] = server.seen
        return result, seen


@pytest.mark.parametrize("path", ["", "/v1/logs"])
def test_lines_are_posted_to_v1_logs(path: str) -> None:
    """Audit lines are posted as JSON to /v1/logs; status 200 means success."""
    warning, seen = send(Answer(body=b"{}"), path=path)
    assert (warning, seen.method, seen.target, seen.header("Content-Type")) == (
        "",
        "POST",
        "/v1/logs",
        "application/json",
    )
    assert len(parsed(seen.body).resource_logs[0].scope_logs[0].log_records) == 2


def test_below_another_path_it_is_posted_there() -> None:
    """If the endpoint has a path, /v1/logs is appended to it, as for OTEL_EXPORTER_OTLP_ENDPOINT."""
    assert send(Answer(), path="/otlp")[1].target == "/otlp/v1/logs"


def test_headers_are_the_configurations_or_the_variables() -> None:
    """Headers come from the configuration, else from the variable (percent-decoded); invalid headers are ignored."""
    text = "Authorization=Bearer%20of-the-variable,bad name=x,x-odd=a%0Ab, x-scope = 1"
    environ = {"OTEL_EXPORTER_OTLP_HEADERS": text}
    _, seen = send(Answer(), environ)
    assert (seen.header("Authorization"), seen.header("x-scope"), seen.header("x-odd")) == (
        "Bearer of-the-variable",
        "1",
        "",
    )
    _, seen = send(Answer(), environ, headers=(("Authorization", Secret("Bearer own")),))
    assert (seen.header("Authorization"), seen.header("x-scope")) == ("Bearer own", "")
    _, seen = send(Answer(), {**environ, "OTEL_EXPORTER_OTLP_LOGS_HEADERS": "x-scope=logs"})
    assert (seen.header("Authorization"), seen.header("x-scope")) == ("", "logs")


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 502, 503, 504, 302])
def test_what_is_not_taken_is_sent_later(status: int) -> None:
    """A temporary error raises SinkFailed with the receiver's message on one line; the lines are sent again later."""
    with pytest.raises(SinkFailed, match=f"the receiver answered with status {status}: try later") as caught:
        send(Answer(status, json.dumps({"message": "try later"}).encode()))
    assert not isinstance(caught.value, LineRefused)


@pytest.mark.parametrize(("value", "seconds"), [("7", 7), ("999999", 3600), ("-1", 0), ("soon", 0), ("\u0667", 0)])
def test_a_receiver_says_how_long_it_wants_to_be_left_alone(value: str, seconds: int) -> None:
    """The sender waits for a receiver's Retry-After, up to one hour."""
    headers = (("Retry-After", value),) if value.isascii() else ()
    with pytest.raises(SinkFailed) as caught:
        send(Answer(503, headers=headers))
    assert caught.value.seconds == seconds


@pytest.mark.parametrize("status", [400, 413])
def test_what_it_will_never_take_is_told_apart(status: int) -> None:
    """A permanent error raises LineRefused, because OTLP forbids sending those lines again."""
    with pytest.raises(LineRefused, match=f"the receiver answered with status {status}"):
        send(Answer(status, b"rubbish"))


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"partialSuccess": {"rejectedLogRecords": "1", "errorMessage": "old"}}, "it did not take 1 of them: old"),
        ({"partialSuccess": {"rejectedLogRecords": 2}}, "it did not take 2 of them"),
        ({"partialSuccess": {"rejectedLogRecords": 0, "errorMessage": "a warning"}}, ""),
        ({"partialSuccess": {}}, ""),
        ({"partialSuccess": {"rejectedLogRecords": "9" * 5000}}, ""),
        ([], ""),
    ],
)
def test_a_part_that_was_not_taken_is_told_and_not_sent_again(body: object, told: str) -> None:
    """A partial success is reported with the number of rejected lines, which the JSON may give as a string."""
    assert send(Answer(body=json.dumps(body).encode()))[0] == told


@pytest.mark.parametrize("of_variable", [True, False])
def test_a_header_that_the_receiver_repeats_is_not_told(*, of_variable: bool) -> None:
    """If the receiver's message repeats a header value, the error does not show the value."""
    words = "unknown token abc-0123-secret (Bearer abc-0123-secret)"
    environ = {"OTEL_EXPORTER_OTLP_HEADERS": "Authorization=Bearer%20abc-0123-secret"} if of_variable else {}
    headers = () if of_variable else (("Authorization", Secret("Bearer abc-0123-secret")),)
    for status in (400, 401):
        with pytest.raises((SinkFailed, LineRefused)) as caught:
            send(Answer(status, json.dumps({"message": words}).encode()), environ, headers=headers)
        assert caught.value.message == f"the receiver answered with status {status}: unknown token *** (***)"
    partial = {"partialSuccess": {"rejectedLogRecords": 1, "errorMessage": "x" * 190 + words}}
    warning, _ = send(Answer(body=json.dumps(partial).encode()), environ, headers=headers)
    assert "abc" not in warning


def test_what_is_no_text_in_the_answer_can_be_told() -> None:
    """A lone surrogate in the receiver's message is replaced."""
    with pytest.raises(SinkFailed, match=r"the receiver answered with status 500: a\?b"):
        send(Answer(500, rb'{"message": "a\ud800b"}'))


@pytest.mark.parametrize("answer", [Answer(raw=b"rubbish\r\n\r\n"), Answer(raw=b""), Answer(body=b"x", cut_after=0)])
def test_what_is_no_answer_is_a_failure(answer: Answer) -> None:
    """A response that is not HTTP is a failure, so that the lines are sent again."""
    with pytest.raises(SinkFailed):
        send(answer)


def test_a_receiver_that_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A silent receiver and a closed port are failures; the sender waits no longer than its timeout."""
    monkeypatch.setattr(otlp, "_TIMEOUT_MS", 300)
    with pytest.raises(SinkFailed, match="within"):
        send(Answer(is_silent=True))
    with StubServer(lambda _seen: Answer()) as server:
        url = server.url
    with pytest.raises(SinkFailed, match="could not reach"):
        otlp.send(Sink(OTLP, url), [line()], {}, NOW)


@pytest.mark.parametrize("environ", [{"HTTPS_PROXY": "rub bish"}, {"DSOPS_TRANSPORT": "smoke signals"}])
def test_what_the_environment_says_wrongly_is_a_failure_like_others(environ: Mapping[str, str]) -> None:
    """An invalid value in the environment raises SinkFailed, so the lines wait until the value is corrected."""
    with pytest.raises(SinkFailed, match="|".join(environ)):
        otlp.send(Sink(OTLP, "https://collector.example.com:4318"), [line()], environ, NOW)


@pytest.mark.parametrize("transport", ["pycurl", "urllib3"])
def test_either_transport_will_do(transport: str) -> None:
    """Sending works with pycurl and with urllib3."""
    warning, seen = send(Answer(), {"DSOPS_TRANSPORT": transport}, headers=(("x-who", Secret("ada")),))
    assert (warning, seen.header("x-who"), seen.header("Content-Type")) == ("", "ada", "application/json")


def test_a_certificate_file_that_is_not_there_is_a_failure(tmp_path: Path) -> None:
    """If `ca_file` does not exist, sending fails instead of using the system's certificates."""
    tls = make_authority(tmp_path).server()
    with StubServer(lambda _seen: Answer(), tls=tls) as server, pytest.raises(SinkFailed):
        otlp.send(Sink(OTLP, server.url, ca_file=str(tmp_path / "no.pem")), [line()], {}, NOW)


def test_tls_is_verified(tmp_path: Path) -> None:
    """TLS certificates are verified with `ca_file` or the system's; environment variables are ignored."""
    signer = make_authority(tmp_path)
    with StubServer(lambda _seen: Answer(), tls=signer.server()) as server:
        for name in ("SSL_CERT_FILE", "AWS_CA_BUNDLE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
            with pytest.raises(SinkFailed, match="certificate"):
                otlp.send(Sink(OTLP, server.url), [line()], {name: str(signer.bundle)}, NOW)
        assert otlp.send(Sink(OTLP, server.url, ca_file=str(signer.bundle)), [line()], {}, NOW) == ""
