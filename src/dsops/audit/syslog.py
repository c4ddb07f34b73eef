"""Sends lines of the trail as syslog messages, over a local socket, UDP, TCP or TLS.

Messages follow RFC 5424, except on a local datagram socket. The daemons that read such a socket expect the format of
syslog(3): rsyslog's imuxsock would take RFC 5424's version number for the program's name.
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
"""How long a receiver may take to close the connection after the last line.

TCP does not confirm that the receiver has read the data.
"""
_MOST_LAST_WORDS = 10
_ABOUT_ITSELF = "Trail"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def message_of(line: bytes, facility: int) -> bytes:
    """Return a line as an RFC 5424 message, whose text is the unchanged line."""
    time, host, pid, name, severity = _header_fields(line)
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
    """Return a line as a message in the format of syslog(3): local time, program and process."""
    time, _, pid, _, severity = _header_fields(line)
    try:
        moment = datetime.fromisoformat(time).astimezone()
    except (ValueError, OverflowError):
        moment = datetime.now().astimezone()
    stamp = f"{_MONTHS[moment.month - 1]} {moment.day:2} {moment:%H:%M:%S}"
    return f"<{facility * 8 + severity}>{stamp} dsops[{_field(pid, 128)}]: ".encode("ascii") + line


def _header_fields(line: bytes) -> tuple[str, object, object, str, int]:
    """Return the time, host, process, event name and severity of a line."""
    record: Mapping[str, Any] = record_in(line) or {}  # Any: a file may contain any JSON object.
    facts = record.get("additionalEventData")
    facts = facts if isinstance(facts, dict) else {}
    name = str(record.get("eventName", ""))
    severity = _WARNING if "errorCode" in record or name.startswith(_ABOUT_ITSELF) else _NOTICE
    return str(record.get("eventTime", "")), facts.get("host"), facts.get("pid"), name, severity


def _field(value: object, most: int) -> str:
    """Return a value as a field of the header; `-` if the value is missing or not allowed in a header."""
    text = "" if value is None else str(value)
    fits = text.isascii() and text.isprintable() and " " not in text
    return text[:most] if text and fits else "-"


def send(sink: Sink, lines: Sequence[bytes]) -> None:
    """Send the lines. Raises SinkFailed, and LineRefused for a line that the receiver can't accept."""
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
        # OSError includes ssl.SSLError, and the error for a path that is too long for a socket.
        raise SinkFailed(_words(error)) from error


def _to_socket(sink: Sink, lines: Sequence[bytes]) -> None:
    """Send one datagram per line if the socket takes datagrams, as /dev/log does; otherwise send a stream."""
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
        # The ICMP error for a closed port arrives after the datagram was sent, if at all.
        sender.settimeout(0.05)
        with suppress(TimeoutError):
            sender.recv(1)


def _datagrams(sender: socket.socket, messages: Sequence[bytes]) -> None:
    for number, message in enumerate(messages):
        try:
            sender.send(message)
        except OSError as error:
            if error.errno == errno.EMSGSIZE:
                refused = LineRefused(f"the event has {len(message)} bytes, too many for one syslog datagram")
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
    """Send with octet counting (RFC 6587, 3.4.1), then shut down the sending side.

    If the receiver resets the connection, it has not read all lines.
    """
    sender.sendall(b"".join([b"%d %s" % (len(message), message) for message in messages]))
    sender.settimeout(_GOODBYE_SECONDS)
    if isinstance(sender, ssl.SSLSocket):
        try:
            sender.unwrap()
        except OSError as error:
            if error.errno == errno.ECONNRESET:
                raise
        return  # Many receivers close without close_notify, or leave the connection open.
    sender.shutdown(socket.SHUT_WR)
    with suppress(TimeoutError):
        for _ in range(_MOST_LAST_WORDS):
            if not sender.recv(4096):
                return


def _words(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, TimeoutError):
        return f"it accepted nothing within {_SECONDS:.0f} s"
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()
