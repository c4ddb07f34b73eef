"""The trail as syslog messages: RFC 5424, framing on streams (RFC 6587), and failures of receivers."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dsops.audit import syslog
from dsops.audit.sinks import FACILITIES, SYSLOG, Sink
from dsops.errors import LineRefused, SinkFailed
from tests.receivers import Datagrams, Stream, parse
from tests.stubs.authority import Authority, make_authority

RECORD = {
    "eventTime": "2026-11-24T12:00:00Z",
    "eventName": "AssumeRole",
    "additionalEventData": {"host": "laptop", "pid": 4711, "run": "abc"},
}


def line(**changes: object) -> bytes:
    """Return a line of the trail."""
    return json.dumps({**RECORD, **changes}, separators=(",", ":")).encode()


LINES = [line(number=number) for number in range(3)]


def test_a_message_has_time_host_process_and_event_and_the_line_as_it_is() -> None:
    """A syslog message has time, host, program, process id and event, and the unchanged audit line as text."""
    message = parse(syslog.message_of(LINES[0], FACILITIES.index("authpriv")))
    assert message == (10, 5, "2026-11-24T12:00:00Z", "laptop", "dsops", "4711", "AssumeRole", LINES[0])


@pytest.mark.parametrize(
    ("changes", "severity"),
    [({}, 5), ({"errorCode": "AccessDenied"}, 4), ({"eventName": "TrailDamaged"}, 4), ({"eventName": "Exec"}, 5)],
)
def test_what_failed_is_a_warning(changes: dict[str, object], severity: int) -> None:
    """Failed calls and lines about the trail itself are sent with severity warning, all others with notice."""
    assert parse(syslog.message_of(line(**changes), 13)).severity == severity


@pytest.mark.parametrize("host", ["", "two words", "caf\u00e9", "a\nb", None, "<1>"])
def test_what_no_field_can_hold_is_left_out(host: str | None) -> None:
    """A host name that the header cannot contain is replaced by `-` there, but stays in the line."""
    message = parse(syslog.message_of(line(additionalEventData={"host": host}), 4))
    assert message.host == ("<1>" if host == "<1>" else "-")
    assert message.pid == "-"
    assert json.loads(message.text)["additionalEventData"]["host"] == host


def test_what_is_no_record_is_a_message_all_the_same() -> None:
    """An invalid audit line is sent with a valid header without time."""
    assert parse(syslog.message_of(b"[]", 1)).time == "-"


@pytest.fixture
def _in_tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Set a time zone other than UTC, in which the trail is written."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("_in_tokyo")
def test_a_local_socket_gets_a_datagram_each(tmp_path: Path) -> None:
    """A local socket receives one datagram per line in syslog(3)'s format: local time, program, process ID."""
    with Datagrams(tmp_path / "log") as receiver:
        syslog.send(Sink(SYSLOG, receiver.target), LINES)
        assert receiver.take(3) == [b"<85>Nov 24 21:00:00 dsops[4711]: " + text for text in LINES]


@pytest.mark.parametrize(
    "odd",
    [
        b"[]",
        b'{"eventTime": "soon", "additionalEventData": {"pid": "a b"}}',
        b'{"eventTime": "9999-12-31T23:59:59-01:00"}',
        b'{"eventTime": "0001-01-01T00:00:00+05:00"}',
    ],
)
def test_what_is_no_record_is_a_local_message_all_the_same(odd: bytes) -> None:
    """An invalid audit line is sent to a local socket with the current time."""
    assert re.fullmatch(
        rb"<85>[A-Z][a-z]{2} [ 1-3]\d \d\d:\d\d:\d\d dsops\[-\]: " + re.escape(odd), syslog.local_message_of(odd, 10)
    )


def test_a_local_socket_may_get_rfc_5424(tmp_path: Path) -> None:
    """If configured, a local socket receives RFC 5424 messages."""
    with Datagrams(tmp_path / "log") as receiver:
        syslog.send(Sink(SYSLOG, receiver.target, format="rfc5424"), LINES)
        assert [parse(message).text for message in receiver.take(3)] == LINES


def test_a_local_socket_may_be_a_stream(tmp_path: Path) -> None:
    """A local stream socket is detected, and its messages are framed by their lengths (RFC 6587)."""
    with Stream(tmp_path / "log") as receiver:
        syslog.send(Sink(SYSLOG, receiver.target), LINES)
        assert [parse(message).text for message in receiver.messages()] == LINES


def test_udp_gets_a_datagram_each() -> None:
    """A UDP receiver gets one datagram per line, with the configured facility."""
    with Datagrams() as receiver:
        syslog.send(Sink(SYSLOG, receiver.target, facility=16), LINES)
        messages = [parse(text) for text in receiver.take(3)]
    assert [(message.facility, message.text) for message in messages] == [(16, text) for text in LINES]


def test_tcp_gets_messages_with_their_lengths() -> None:
    """A TCP receiver gets all messages on one connection, framed by their lengths."""
    with Stream() as receiver:
        syslog.send(Sink(SYSLOG, receiver.target), LINES)
        assert [parse(message).text for message in receiver.messages()] == LINES


def authority(folder: Path) -> Authority:
    """The authority that signs the servers' certificates."""
    return make_authority(folder)


def test_tls_is_verified(tmp_path: Path) -> None:
    """TLS certificates are verified with `ca_file`; without it an unknown authority is refused."""
    signer = authority(tmp_path)
    with Stream(tls=signer.server()) as receiver:
        with pytest.raises(SinkFailed, match="its certificate is not trusted"):
            syslog.send(Sink(SYSLOG, receiver.target), LINES)
        syslog.send(Sink(SYSLOG, receiver.target, ca_file=str(signer.bundle)), LINES)
        assert [parse(message).text for message in receiver.messages()] == LINES


def test_a_certificate_of_another_name_is_refused(tmp_path: Path) -> None:
    """A trusted certificate for another host name than the receiver's is refused."""
    signer = authority(tmp_path)
    with (
        Stream(tls=signer.server("logs.example.com")) as receiver,
        pytest.raises(SinkFailed, match="its certificate is not trusted"),
    ):
        syslog.send(Sink(SYSLOG, receiver.target, ca_file=str(signer.bundle)), LINES)


@pytest.mark.parametrize("kind", ["missing", "datagram", "tcp", "udp"])
def test_without_a_listener_the_error_says_so(tmp_path: Path, kind: str) -> None:
    """A missing socket path, or a socket or port without a listener, raises SinkFailed with the reason."""
    target = str(tmp_path / "log")
    if kind == "datagram":
        with Datagrams(tmp_path / "log"):
            pass
    elif kind == "tcp":
        with Stream() as stream:
            target = stream.target
    elif kind == "udp":
        with Datagrams() as udp:
            target = udp.target
    with pytest.raises(SinkFailed) as caught:
        syslog.send(Sink(SYSLOG, target), LINES[:1])
    assert ("no such file" if kind == "missing" else "connection refused") in str(caught.value)


@pytest.mark.usefixtures("_hasty")
@pytest.mark.parametrize("kind", ["stream", "datagrams"])
def test_a_receiver_that_takes_nothing_is_not_waited_for(tmp_path: Path, kind: str) -> None:
    """If a receiver reads nothing and its buffers are full, sending fails after a timeout."""
    lines = [line(text="x" * 50_000) for _ in range(100)]
    if kind == "stream":
        with Stream(is_deaf=True) as deaf, pytest.raises(SinkFailed, match="it accepted nothing within"):
            syslog.send(Sink(SYSLOG, deaf.target), lines * 10)
    else:
        with Datagrams(tmp_path / "log") as full, pytest.raises(SinkFailed, match="it accepted nothing within"):
            syslog.send(Sink(SYSLOG, full.target), lines)


@pytest.fixture
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the timeout."""
    monkeypatch.setattr(syslog, "_SECONDS", 0.2)


def test_a_receiver_that_breaks_off_has_not_read_it() -> None:
    """If the receiver closes the connection, sending fails, so that the messages are sent again."""
    with Stream(breaks=True) as receiver, pytest.raises(SinkFailed):
        syslog.send(Sink(SYSLOG, receiver.target), LINES)


def test_what_no_datagram_can_hold_is_refused_and_told_which() -> None:
    """A line too long for a datagram raises LineRefused with the number of lines sent before it."""
    with Datagrams() as receiver:
        with pytest.raises(LineRefused, match="bytes, too many for one syslog datagram") as caught:
            syslog.send(Sink(SYSLOG, receiver.target), [*LINES[:2], line(text="x" * 70_000)])
        assert caught.value.taken == 2
        assert len(receiver.take(2)) == 2
