"""Parse HTTP requests with waitress's parser, which is strict about request framing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from waitress.adjustments import Adjustments
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.rfc7230 import HEADER_FIELD_RE

from dsops.request.messages import HttpRequest

# Parsing a header that is repeated n times takes time proportional to n squared. With waitress's own limit of 256 KB,
# this took 0.3 s.
_MOST_HEADER_BYTES = 65536
# With this limit, waitress keeps every body in memory: it would write a body above the limit to a temporary file.
_NEVER_TOO_MUCH = 1 << 62
_PLAIN_REQUEST = re.compile(rb"([A-Z]{3,7}) (/(?!/)[!-~]*) HTTP/1\.1")
_PLAIN_LENGTH = re.compile("[0-9]{1,15}")
_LONGEST_CACHED_LINE = 256
_WITH_UNDERSCORE = re.compile(rb"(?im)^x-amz-sso_bearer_token(?=:)")


class Body:
    """A body with Content-Length, in place of waitress's `FixedStreamReceiver`, which copies the body twice."""

    error = None

    def __init__(self, length: int) -> None:
        self._parts: list[bytes] = []
        self._missing = length

    @property
    def completed(self) -> bool:
        """Whether all bytes were received."""
        return not self._missing

    def received(self, data: bytes) -> int:
        """Take the bytes that belong to this body; return their number."""
        part = data[: self._missing]
        self._parts.append(part)
        self._missing -= len(part)
        return len(part)

    def content(self) -> bytes:
        """Return the received bytes."""
        return b"".join(self._parts)


class Parser(HTTPRequestParser):  # type: ignore[misc]  # waitress ships no types
    """waitress's request parser with four changes.

    - It parses the head of a plain HTTP/1.1 request itself, because waitress takes 20 us for it. Everything that is
      unusual is left to waitress: repeated headers, transfer encodings, line folding, other versions, errors.
    - It accepts the only AWS header with `_` in its name (IAM Identity Center's token). waitress drops such headers.
      If a client sends the header in both spellings, the values are joined, which is not a valid token.
    - It sends no `100 Continue` to a request that is already complete or refused. waitress sends it and then waits for
      more data.
    - It rejects a request target that is not a URL. waitress itself would raise another exception.
    """

    _plain_headers: Mapping[str, str] | None = None
    """The headers of a plain request by name in lower case; None if waitress parsed the head."""

    def received(self, data: bytes) -> int:
        """Parse received data; return how many bytes belong to this request.

        A complete request gets no `100 Continue`, because a server may omit it in this case (RFC 9110, 10.1.1).
        """
        consumed: int = super().received(data)
        if self.completed:
            self.expect_continue = False
        return consumed

    def parse_header(self, header_plus: bytes) -> None:
        """Parse the request line and the headers. Raises ParsingError."""
        if not self._parse_plain(header_plus):
            try:
                super().parse_header(_WITH_UNDERSCORE.sub(b"x-amz-sso-bearer-token", header_plus))
            except ValueError as error:  # raised for a target such as `http://[::1`
                raise ParsingError("the request target can't be read") from error
        if self.content_length:
            self.body_rcv = Body(self.content_length)

    def _parse_plain(self, head: bytes) -> bool:
        """Parse the head of a plain request; return False, without a change, if waitress has to parse it."""
        request_line, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
        match = _PLAIN_REQUEST.fullmatch(request_line)
        if match is None:
            return False
        headers: dict[str, str] = {}
        for line in lines:
            name, value = _field(line) if len(line) <= _LONGEST_CACHED_LINE else _field.__wrapped__(line)
            if not name or name in headers:
                return False
            headers[name] = value
        length = headers.get("content-length", "0")
        if "transfer-encoding" in headers or "expect" in headers or not _PLAIN_LENGTH.fullmatch(length):
            return False
        command, target = match.groups()
        self.command, self.request_uri, self.version = command.decode("ascii"), target.decode("ascii"), "1.1"
        self.content_length = int(length)
        self._plain_headers = headers
        return True

    @property
    def _headers(self) -> Mapping[str, str]:
        """The headers by name in lower case."""
        if self._plain_headers is not None:
            return self._plain_headers
        return {name.replace("_", "-").lower(): value for name, value in self.headers.items()}

    @property
    def awaits_continue(self) -> bool:
        """Whether the client sends the body only after it has received `100 Continue`."""
        return bool(self.expect_continue and self.headers_finished)

    @property
    def closes(self) -> bool:
        """Whether the connection is closed after the answer."""
        header = self._headers.get("connection", "").lower()
        return header == "close" or (self.answer_version == "1.0" and header != "keep-alive")

    @property
    def answer_version(self) -> str:
        """The HTTP version of the answer."""
        return self.version if self.version in {"1.0", "1.1"} else "1.0"

    def request(self, peer: str) -> HttpRequest:
        """Return the complete request of the client with this address."""
        path, _, query = self.request_uri.partition("?")
        body: object = self.body_rcv
        content = body.content() if isinstance(body, Body) else self.get_body_stream().read()
        return HttpRequest(self.command.upper(), path, query, self._headers, content, peer)


@lru_cache(maxsize=1024)
def _field(line: bytes) -> tuple[str, str]:
    """Return the name, in lower case, and the value of a header. The name is "" if the line is unusual or invalid.

    The result is cached, because most clients send the same lines with each request.
    """
    match = HEADER_FIELD_RE.fullmatch(line)
    if match is None or b"_" in match["name"]:
        return "", ""
    return match["name"].decode("ascii").lower(), match["value"].strip(b" \t").decode("latin-1")


def parser_limits(max_body: int) -> Any:  # Any: waitress has no type hints
    """Return waitress's settings for `Parser`. `max_body` is the maximum size of a request body in bytes."""
    return Adjustments(
        max_request_body_size=max_body,
        max_request_header_size=_MOST_HEADER_BYTES,
        inbuf_overflow=_NEVER_TOO_MUCH,
        clear_untrusted_proxy_headers=False,
    )
