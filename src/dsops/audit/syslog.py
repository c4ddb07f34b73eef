"""Lines of the trail -> messages of syslog, over a local socket, UDP, TCP or TLS.

RFC 5424, but for a local socket of datagrams, where daemons read what syslog(3) writes: rsyslog's imuxsock takes the
version of RFC 5424 for the program's name.
"""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from dsops.audit.chain import record_in
from dsops.audit.sinks import RFC5424, Sink, network_of
from dsops.errors import LineRefused, SinkFailed

_NOTICE, _WARNING = 5, 4
_SECONDS = 10.0
_GOODBYE_SECONDS = 2.0
"""How long a receiver may take to hang up once it has everything: TCP alone does not say that it was read."""
_MOST_LAST_WORDS = 10
_ABOUT_ITSELF = "Trail"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def message_of(line: bytes, facility: int) -> bytes:
    """The message of a line, which stands in it as it is in the trail."""
    time, host, pid, name, severity = _told(line)
    header = [
        f"<{facility * 8 + severity}>1",
        _field(time, 32),
        _field(host, 255),
        "dsops",
        _field(pid, 128),
        _field(name, 32),
        "-",
    ]
    return f"{' '.join(header)} ".encode("ascii") + line


def local_message_of(line: bytes, facility: int) -> bytes:
    """The same as syslog(3) writes it: local time, program and process."""
    time, _, pid, _, severity = _told(line)
    try:
        moment = datetime.fromisoformat(time).astimezone()
    except (ValueError, OverflowError):
        moment = datetime.now().astimezone()
    stamp = f"{_MONTHS[moment.month - 1]} {moment.day:2} {moment:%H:%M:%S}"
    return f"<{facility * 8 + severity}>{stamp} dsops[{_field(pid, 128)}]: ".encode("ascii") + line


def _told(line: bytes) -> tuple[str, object, object, str, int]:
    """Time, machine, process, event and severity."""
    record: Mapping[str, Any] = record_in(line) or {}  # any JSON object: it stands in a file
    facts = record.get("additionalEventData")
    facts = facts if isinstance(facts, dict) else {}
    name = str(record.get("eventName", ""))
    severity = _WARNING if "errorCode" in record or name.startswith(_ABOUT_ITSELF) else _NOTICE
    return str(record.get("eventTime", "")), facts.get("host"), facts.get("pid"), name, severity


def _field(value: object, most: int) -> str:
    """A field of the header; `-` for what is not there, or can't stand in one."""
    text = "" if value is None else str(value)
    fits = text.isascii() and text.isprintable() and " " not in text
    return text[:most] if text and fits else "-"


def send(sink: Sink, lines: Sequence[bytes]) -> None:
    """Hands the lines to the receiver. Raises SinkFailed, and LineRefused at one that it can't take."""
    try:
        network = network_of(sink.target)
        if network is None:
            _to_socket(sink, lines)
            return
        messages = [message_of(line, sink.facility) for line in lines]
        if network[0] == "udp":
            _to_udp(network[1], network[2], messages)
        else:
            _to_stream(sink, network[1], network[2], messages)
    except (OSError, ValueError) as error:
        # ssl.SSLError is an OSError; a path may be too long for a socket.
        raise SinkFailed(_words(error)) from error


def _to_socket(sink: Sink, lines: Sequence[bytes]) -> None:
    """A message each where it takes datagrams, as /dev/log does; else one after the other, as in TCP."""
    make = message_of if sink.format == RFC5424 else local_message_of
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.settimeout(_SECONDS)
        try:
            sender.connect(sink.target)
        except OSError as error:
            if error.errno != errno.EPROTOTYPE:
                raise
        else:
            _datagrams(sender, [make(line, sink.facility) for line in lines])
            return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sender:
        sender.settimeout(_SECONDS)
        sender.connect(sink.target)
        _stream(sender, [message_of(line, sink.facility) for line in lines])


def _to_udp(host: str, port: int, messages: Sequence[bytes]) -> None:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind, protocol) as sender:
        sender.settimeout(_SECONDS)
        sender.connect(address)
        _datagrams(sender, messages)
        # That no process listens there comes back later, if at all.
        sender.settimeout(0.05)
        with suppress(TimeoutError):
            sender.recv(1)


def _datagrams(sender: socket.socket, messages: Sequence[bytes]) -> None:
    for number, message in enumerate(messages):
        try:
            sender.send(message)
        except OSError as error:
            if error.errno == errno.EMSGSIZE:
                refused = LineRefused(f"{len(message)} bytes are too many for a datagram")
                refused.taken = number
                raise refused from error
            raise


def _to_stream(sink: Sink, host: str, port: int, messages: Sequence[bytes]) -> None:
    with socket.create_connection((host, port), timeout=_SECONDS) as plain:
        if not sink.target.startswith("tls:"):
            _stream(plain, messages)
            return
        context = ssl.create_default_context(cafile=sink.ca_file or None)
        with context.wrap_socket(plain, server_hostname=host) as encrypted:
            _stream(encrypted, messages)


def _stream(sender: socket.socket, messages: Sequence[bytes]) -> None:
    """Octet counting (RFC 6587, 3.4.1), then half a goodbye: a receiver that breaks off has not read it all."""
    sender.sendall(b"".join([b"%d %s" % (len(message), message) for message in messages]))
    sender.settimeout(_GOODBYE_SECONDS)
    if isinstance(sender, ssl.SSLSocket):
        try:
            sender.unwrap()
        except OSError as error:
            if error.errno == errno.ECONNRESET:
                raise
        return  # many hang up without a word, or stay on the line
    sender.shutdown(socket.SHUT_WR)
    with suppress(TimeoutError):
        for _ in range(_MOST_LAST_WORDS):
            if not sender.recv(4096):
                return


def _words(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, TimeoutError):
        return f"it takes nothing within {_SECONDS:.0f} s"
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()
