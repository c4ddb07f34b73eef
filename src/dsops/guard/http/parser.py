"""Parse HTTP/1.1 messages with httptools (llhttp), more strictly than the RFC where two readers could disagree.

llhttp refuses: a message with Content-Length and Transfer-Encoding, two of either, bare CR or LF, folded headers,
control characters, malformed chunks, spaces in header names. The checks here refuse the rest.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser, HttpResponseParser

from dsops.guard.http.limits import Limits

Headers = tuple[tuple[str, str], ...]
_HOP_BY_HOP = frozenset(
    "connection keep-alive proxy-authenticate proxy-authorization proxy-connection te transfer-encoding upgrade".split()
)
_CONNECTION_OPTIONS = _HOP_BY_HOP | {"close", "http2-settings"}
"""What `Connection` may list. Any other name could hide a header from one of two readers."""
_ONCE = frozenset(("host", "content-length", "transfer-encoding", "expect", "authorization"))
"""Headers that a request has at most once."""
_FRAMING = _HOP_BY_HOP | {"content-length", "host", "trailer"}
"""Names that a trailer may not have."""
_TARGET = re.compile(rb"[!-\"$-~]+\Z")
"""Visible ASCII characters without `#`."""


class RequestStart(NamedTuple):
    """The request line and headers of a request."""

    method: str
    target: str
    headers: Headers
    """Names in lower case, without the headers that are about the connection."""
    host: str
    """The value of the header Host; "" if it is missing."""
    length: int | None
    """The length of the body; None if the body is chunked."""
    has_length: bool
    """Whether the client sent Content-Length."""
    expects_continue: bool
    keep_alive: bool
    upgrade: str
    """The protocol of `Upgrade`, in lower case; "" if the connection is to stay HTTP."""
    version: str


class ResponseStart(NamedTuple):
    """The status line and headers of a response."""

    status: int
    reason: str
    headers: Headers
    """Names as the upstream sent them, without the headers that are about the connection."""
    length: int | None
    """The length of the body; None if it is chunked or ends with the connection."""
    is_chunked: bool
    has_body: bool
    keep_alive: bool


class End(NamedTuple):
    """The end of a message, with the trailers of a chunked body."""

    trailers: Headers = ()


class ParseFailure(NamedTuple):
    """A message that can't be read on. The connection has to be closed."""

    status: int
    """The status to answer a client with."""
    message: str


Part = RequestStart | ResponseStart | bytes | End | ParseFailure


class _MessageError(Exception):
    """Raised inside of a callback of httptools; `feed` makes it a ParseFailure."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class _MessageParser:
    """The callbacks that requests and responses share. `emit` gets each part of a message as soon as it is known."""

    _parser: HttpRequestParser | HttpResponseParser

    def __init__(self, emit: Callable[[Part], None], limits: Limits) -> None:
        self._emit = emit
        self._limits = limits
        self._fields: list[tuple[bytes, bytes]] = []
        self._size = 0
        self._silent = 0
        self._is_silent = True
        self.failed = False
        self.is_body = False
        """Whether the headers of a message have arrived and its end has not."""
        self.rest: bytes | None = None
        """After an upgrade or CONNECT: the bytes after the headers."""

    def feed(self, data: bytes) -> None:
        """Parse the next bytes of the connection."""
        if self.failed:
            return
        if self.rest is not None:
            self.rest += data
            return
        self._is_silent = True
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade as upgrade:
            self.rest = data[upgrade.args[0] :]
        except HttpParserError as error:
            reason = error.__context__ if isinstance(error.__context__, _MessageError) else None
            self.fail(reason.status if reason else 400, str(reason or error) or "the message is malformed")
            return
        # llhttp reports a header name, a header value or a chunk's extension only at its end. Bytes that are not
        # reported yet are counted, because they take memory.
        self._silent = self._silent + len(data) if self._is_silent else 0
        if self._silent > self._limits.head:
            self.fail(431, f"the headers have more than {self._limits.head} bytes")

    def fail(self, status: int, message: str) -> None:
        """Report that the message can't be read, and ignore all further bytes."""
        self.failed = True
        self._emit(ParseFailure(status, message))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect a header or trailer."""
        self._size += len(name) + len(value) + 4
        if self._size > self._limits.head or len(self._fields) >= self._limits.headers:
            raise _MessageError(431, "the headers are too large")
        self._fields.append((name, value))

    def on_body(self, data: bytes) -> None:
        """Pass on a piece of the body."""
        self._is_silent = False
        self._emit(data)

    def on_message_complete(self) -> None:
        """Pass on the end of the message."""
        self._is_silent = False
        self.is_body = False
        trailers = self._take_fields()
        self._emit(End(trailers) if trailers else _END)

    def _take_fields(self) -> Headers:
        fields = tuple([(name.decode("latin-1"), value.decode("latin-1").strip(" \t")) for name, value in self._fields])
        self._fields.clear()
        self._size = 0
        self._is_silent = False
        return fields


_END = End()
_TOO_MUCH = "the upstream sent more than its response"


class RequestParser(_MessageParser):
    """Parses the requests of one client connection."""

    _parser: HttpRequestParser

    def __init__(self, emit: Callable[[Part], None], limits: Limits) -> None:
        super().__init__(emit, limits)
        self._url = b""
        self.waiting = 0
        """Requests whose start has been parsed, and which the connection has not begun to answer."""
        self._parser = HttpRequestParser(self)

    def on_url(self, url: bytes) -> None:
        """Collect the target of the request line."""
        self._url += url
        self._size += len(url)
        if self._size > self._limits.head:
            raise _MessageError(414, "the request target is too long")

    def on_headers_complete(self) -> None:
        """Check the headers, and pass on the start of the request."""
        url, self._url = self._url, b""
        self.waiting += 1
        if self.waiting > self._limits.pipelined:
            raise _MessageError(400, "too many requests without waiting for a response")
        parser = self._parser
        method = parser.get_method().decode("ascii")
        start = request_start(method, url, self._take_fields(), parser.get_http_version())
        is_last = parser.should_upgrade()
        if is_last and start.length != 0:
            # llhttp takes the bytes after such a request for the new protocol, but other parsers take them for the
            # request's body.
            raise _MessageError(400, f"a {method} request that ends HTTP on its connection has a body")
        self.is_body = True
        self._emit(start._replace(keep_alive=parser.should_keep_alive() and not is_last))


class ResponseParser(_MessageParser):
    """Parses the response to one request, with the interim responses (status 1xx) before it."""

    _parser: HttpResponseParser

    def __init__(self, emit: Callable[[Part], None], limits: Limits, *, is_head: bool) -> None:
        super().__init__(emit, limits)
        self._is_head = is_head
        self._reason = b""
        self._start: ResponseStart | None = None
        self._left = 0
        """The bytes of a body with a known length that have not arrived."""
        self.is_over = False
        """Whether the whole response has arrived."""
        self._parser = HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        """Parse the next bytes of the connection. The rest of a body with a known length is passed on unparsed."""
        if not self._left or self.failed:
            super().feed(data)
            return
        has_more = len(data) > self._left
        piece = data[: self._left] if has_more else data
        self._left -= len(piece)
        self._emit(piece)
        if not self._left:
            self._finish(_END)
        if has_more:
            self.fail(502, _TOO_MUCH)

    def on_status(self, reason: bytes) -> None:
        """Collect the reason phrase."""
        self._reason += reason
        self._size += len(reason)
        if self._size > self._limits.head:
            raise _MessageError(502, "the status line is too long")

    def on_headers_complete(self) -> None:
        """Pass on the start of the response; for a response to HEAD, also its end."""
        if self.is_over:
            raise _MessageError(502, "the upstream sent more than one response")
        parser = self._parser
        reason, self._reason = self._reason.decode("latin-1"), b""
        start = response_start(parser.get_status_code(), reason, self._take_fields(), is_head=self._is_head)
        keep_alive = parser.should_keep_alive() and (start.length is not None or start.is_chunked or not start.has_body)
        self._start = start = start._replace(keep_alive=keep_alive)
        self.is_body = True
        self._left = (start.length or 0) if start.has_body else 0
        self._emit(start)
        if self._is_head and start.status >= 200:
            self._finish(_END)

    def on_body(self, data: bytes) -> None:
        """Pass on a piece of the body."""
        if self.is_over:
            raise _MessageError(502, _TOO_MUCH)
        self._left -= len(data) if self._left else 0
        super().on_body(data)

    def on_message_complete(self) -> None:
        """Pass on the end of the response."""
        trailers = self._take_fields()
        self._left = 0
        if not self.is_over:
            self._finish(End(tuple([field for field in trailers if field[0].lower() not in _FRAMING])))

    def feed_end(self) -> None:
        """Handle the end of the connection: the end of a body without a length, otherwise an error."""
        start = self._start
        if self.failed or self.is_over:
            return
        if self.is_body and start is not None and start.length is None and not start.is_chunked:
            self._finish(_END)
        else:
            self.fail(502, "the upstream closed the connection before the end of its response")

    def _finish(self, end: End) -> None:
        self.is_body = False
        self._is_silent = False
        self.is_over = self._start is not None and (self._start.status >= 200 or self._start.status == 101)
        self._emit(end)


def request_start(method: str, url: bytes, fields: Headers, version: str) -> RequestStart:
    """Check the parsed parts of a request's head. Raises _MessageError on what is ambiguous or unsupported."""
    if version != "1.1" and not (version == "1.0" and method == "CONNECT"):
        raise _MessageError(505, "only HTTP/1.1 is supported")
    if _TARGET.match(url) is None:
        raise _MessageError(400, "the request target is malformed")
    headers = tuple([(name.lower(), value) for name, value in fields])
    single: dict[str, str] = {}
    for name, value in headers:
        if name in _ONCE:
            if name in single:
                raise _MessageError(400, f"the request has two headers {name}")
            single[name] = value
    coding = single.get("transfer-encoding")
    if coding is not None and coding.lower() != "chunked":
        raise _MessageError(501, "the only supported transfer coding is chunked")
    expect = single.get("expect")
    if expect is not None and expect.lower() != "100-continue":
        raise _MessageError(417, "the only supported expectation is 100-continue")
    if "host" not in single and method != "CONNECT":
        raise _MessageError(400, "the request has no header Host")
    names = _connection_headers(headers)
    upgrade = next((value.lower() for name, value in headers if name == "upgrade"), "") if "upgrade" in names else ""
    return RequestStart(
        method,
        url.decode("ascii"),
        tuple([header for header in headers if header[0] not in names]),
        single.get("host", ""),
        None if coding is not None else int(single.get("content-length", "0")),
        "content-length" in single,
        expect is not None,
        keep_alive=True,
        upgrade=upgrade,
        version=version,
    )


def response_start(status: int, reason: str, fields: Headers, *, is_head: bool) -> ResponseStart:
    """Check the parsed parts of a response's head. Raises _MessageError on an unsupported transfer coding."""
    codings = [value.lower() for name, value in fields if name.lower() == "transfer-encoding"]
    if codings and codings != ["chunked"]:
        raise _MessageError(502, "the upstream used a transfer coding that is not supported")
    lengths = [int(value) for name, value in fields if name.lower() == "content-length"]
    return ResponseStart(
        status,
        reason,
        tuple([field for field in fields if field[0].lower() not in _HOP_BY_HOP or _is_upgrade(status, field[0])]),
        lengths[0] if lengths else None,
        is_chunked=bool(codings),
        has_body=not is_head and status >= 200 and status not in {204, 304},
        keep_alive=True,
    )


def _is_upgrade(status: int, name: str) -> bool:
    """Whether the header says to which protocol the connection changes."""
    return status == 101 and name.lower() == "upgrade"


def _connection_headers(headers: Headers) -> frozenset[str]:
    """The names, in lower case, of the headers that are about the connection: they are never passed on."""
    listed = {part.strip().lower() for name, value in headers if name == "connection" for part in value.split(",")}
    if listed - _CONNECTION_OPTIONS - {""}:
        raise _MessageError(400, "the header Connection lists other headers")
    return _HOP_BY_HOP | listed
