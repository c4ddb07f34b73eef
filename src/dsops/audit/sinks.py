"""Parses the receivers of the trail's lines in the user's own configuration: `syslog`, `otlp`."""

from __future__ import annotations

import re
from collections.abc import Callable

from dsops.document import Mapping, Node, Scalar
from dsops.endpoint import is_loopback, parse_address
from dsops.errors import nearest
from dsops.secret import Secret
from dsops.startup import NamedTuple

SYSLOG, OTLP = "syslog", "otlp"

FACILITIES = (
    "kern",
    "user",
    "mail",
    "daemon",
    "auth",
    "syslog",
    "lpr",
    "news",
    "uucp",
    "cron",
    "authpriv",
    "ftp",
    "ntp",
    "audit",
    "alert",
    "clock",
    *[f"local{number}" for number in range(8)],
)
"""The syslog facilities; a facility's index is its number (RFC 5424, 6.2.1)."""

RFC5424, LOCAL = "rfc5424", "local"
"""The message formats for a local datagram socket; other targets always get RFC 5424."""

SCHEMES = ("udp", "tcp", "tls")
_KEYS = {SYSLOG: ("to", "facility", "format", "ca_file"), OTLP: ("endpoint", "headers", "ca_file")}
"""The keys of each kind of sink.

If a sink is written as a single word, the word is the value of the first key.
"""

_HEADER = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_RESERVED = ("content-type", "content-length", "host")

Report = Callable[[int, str, str, str], None]
"""A function that reports a problem: line, path, message and hint."""


class Sink(NamedTuple):
    """One receiver of the trail's lines."""

    kind: str
    target: str
    """The path of a socket, an address such as `tcp://HOST:PORT`, or the URL of an endpoint."""
    facility: int = FACILITIES.index("authpriv")
    headers: tuple[tuple[str, Secret], ...] = ()
    ca_file: str = ""
    """A file of certificates that are trusted instead of the system's certificates."""
    format: str = LOCAL
    """The format of messages that are sent to a local datagram socket."""

    @property
    def name(self) -> str:
        """The sink's name in messages and in the cursors."""
        return f"{self.kind} {self.target}"


def read_sink(kind: str, node: Node, home: str, report: Report) -> Sink | None:
    """Parse the value of `syslog` or `otlp`; None if it has a problem."""
    path, own = f"audit.{kind}", _KEYS[kind]
    values: dict[str, Node] = {own[0]: node} if isinstance(node, Scalar) else {}
    if isinstance(node, Mapping):
        for key, value in node.entries:
            if key.text in own:
                values[key.text] = value
            else:
                meant = nearest(key.text, own)
                hint = f"did you mean `{meant}`?" if meant else f"there is {', '.join(own)}"
                report(key.line, f"{path}.{key.text}", f"there is no key `{key.text}`", hint)
    if own[0] not in values:
        report(node.line, path, f"`{kind}` has no `{own[0]}`", f"write `{kind}: {_EXAMPLES[kind]}`")
        return None
    reader = _Reader(path, home, report)
    target = reader.target(kind, own[0], values[own[0]])
    sink = Sink(kind, target, ca_file=reader.file(values.get("ca_file")), headers=reader.headers(values.get("headers")))
    if "facility" in values:
        sink = sink._replace(facility=reader.facility(values["facility"]))
    if "format" in values:
        sink = sink._replace(format=reader.format(values["format"]))
    return sink if target else None


_EXAMPLES = {SYSLOG: "/dev/log", OTLP: "https://collector.example.com:4318"}


def network_of(target: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of `tcp://HOST:PORT` and similar addresses; None for other text."""
    scheme, separator, rest = target.partition("://")
    address = parse_address(f"https://{rest}") if separator and scheme in SCHEMES else None
    if address is None or address.path or not re.search(r":[0-9]+\Z", rest):
        return None
    return scheme, address.host, address.port


class _Reader:
    """Checks the values of one sink and reports problems."""

    def __init__(self, path: str, home: str, report: Report) -> None:
        self._path = path
        self._home = home
        self._report = report

    def target(self, kind: str, name: str, node: Node) -> str:
        """Return the target; "" if it is not valid."""
        text = node.text if isinstance(node, Scalar) else ""
        if kind == SYSLOG:
            text = self._absolute(text)
            if (text.startswith("/") and not text.endswith("/") and "\0" not in text) or network_of(text):
                return text
            self._wrong(
                node,
                name,
                f"`{name}` is the path of a socket, or udp://, tcp:// or tls:// with HOST:PORT",
                f"write `{_EXAMPLES[kind]}`, or `tcp://logs.example.com:601`",
            )
            return ""
        address = parse_address(text)
        if address is None:
            self._wrong(node, name, f"`{name}` is not an address", f"write `{_EXAMPLES[kind]}`")
        elif address.scheme != "https" and not is_loopback(address.host):
            message = f"`{name}` would send the trail unencrypted to {address.authority}"
            self._wrong(node, name, message, f"write https://{address.authority}")
        else:
            return text.rstrip("/")
        return ""

    def facility(self, node: Node) -> int:
        """Return the number of the configured facility."""
        text = node.text.lower() if isinstance(node, Scalar) else ""
        if text in FACILITIES:
            return FACILITIES.index(text)
        meant = nearest(text, FACILITIES)
        hint = f"did you mean `{meant}`?" if meant else f"it is one of {', '.join(FACILITIES)}"
        self._wrong(node, "facility", "`facility` is not one of syslog's", hint)
        return Sink(SYSLOG, "").facility

    def format(self, node: Node) -> str:
        """Return the message format, `rfc5424` or `local`."""
        text = node.text.lower() if isinstance(node, Scalar) else ""
        if text not in (RFC5424, LOCAL):
            self._wrong(node, "format", f"`format` is {RFC5424} or {LOCAL}", "it counts for a socket on this machine")
        return text

    def headers(self, node: Node | None) -> tuple[tuple[str, Secret], ...]:
        """Return the headers to send with each request; their values are never shown."""
        headers = []
        for name, value in node.entries if isinstance(node, Mapping) else ():
            text = value.text if isinstance(value, Scalar) else ""
            if not re.fullmatch(_HEADER, name.text):
                # The name is not shown: if the user put a whole header line in quotes, the name contains the value.
                hint = "write `Name: value`, with the value in quotes of its own"
                self._wrong(name, "headers", "a name under `headers` is not a valid header name", hint)
            elif name.text.lower() in _RESERVED:
                self._wrong(name, "headers", f"`{name.text}` is a header that can't be set")
            elif not is_header_value(text):
                message = f"the value of `{name.text}` is not valid in a header"
                self._wrong(value, "headers", message, "it is printable ASCII, without spaces at its ends")
            else:
                headers.append((name.text, Secret(text)))
        if node is not None and not isinstance(node, Mapping):
            self._wrong(node, "headers", "`headers` is a mapping of names and values")
        return tuple(headers)

    def file(self, node: Node | None) -> str:
        """Return the absolute path of the file; "" without a file."""
        if node is None:
            return ""
        text = self._absolute(node.text) if isinstance(node, Scalar) else ""
        if not text.startswith("/") or "\0" in text:
            self._wrong(node, "ca_file", "`ca_file` is the path of a file, from `/` or `~/` on")
        return text

    def _absolute(self, text: str) -> str:
        return f"{self._home.rstrip('/')}/{text[2:]}" if text.startswith("~/") and self._home.startswith("/") else text

    def _wrong(self, node: Node, name: str, message: str, hint: str = "") -> None:
        self._report(node.line, f"{self._path}.{name}", message, hint)


def is_header_value(text: str) -> bool:
    """Return whether the text is valid as the value of a header."""
    return bool(text) and text.isascii() and text.isprintable() and text == text.strip()
