"""Parse HTTP requests with waitress's parser, which is strict about request framing."""

from __future__ import annotations

import re
from typing import Any

from waitress.adjustments import Adjustments
from waitress.parser import HTTPRequestParser, ParsingError

from dsops.request.messages import HttpRequest

# Parsing a header that is repeated n times takes time proportional to n squared. With waitress's own limit of 256 KB,
# this took 0.3 s.
_MOST_HEADER_BYTES = 65536
# waitress would keep a larger body in a temporary file.
_NEVER_TOO_MUCH = 1 << 62
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
    """waitress's request parser with three changes.

    - It accepts the only AWS header with `_` in its name (IAM Identity Center's token). waitress drops such headers.
      If a client sends the header in both spellings, the values are joined, which is not a valid token.
    - It sends no `100 Continue` to a request that is already complete or refused. waitress sends it and then waits for
      more data.
    - It rejects a request target that is not a URL. waitress itself would raise another exception.
    """

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
        try:
            super().parse_header(_WITH_UNDERSCORE.sub(b"x-amz-sso-bearer-token", header_plus))
        except ValueError as error:  # raised for a target such as `http://[::1`
            raise ParsingError("the request target can't be read") from error
        if self.content_length:
            self.body_rcv = Body(self.content_length)

    @property
    def awaits_continue(self) -> bool:
        """Whether the client sends the body only after it has received `100 Continue`."""
        return bool(self.expect_continue and self.headers_finished)

    @property
    def closes(self) -> bool:
        """Whether the connection is closed after the answer."""
        header = self.headers.get("CONNECTION", "").lower()
        return header == "close" or (self.answer_version == "1.0" and header != "keep-alive")

    @property
    def answer_version(self) -> str:
        """The HTTP version of the answer."""
        return self.version if self.version in {"1.0", "1.1"} else "1.0"

    def request(self, peer: str) -> HttpRequest:
        """Return the complete request of the client with this address."""
        path, _, query = self.request_uri.partition("?")
        headers = {name.replace("_", "-").lower(): value for name, value in self.headers.items()}
        body: object = self.body_rcv
        content = body.content() if isinstance(body, Body) else self.get_body_stream().read()
        return HttpRequest(self.command.upper(), path, query, headers, content, peer)


def parser_limits(max_body: int) -> Any:  # waitress ships no types
    """Return waitress's settings for `Parser`. `max_body` is the maximum size of a request body in bytes."""
    return Adjustments(
        max_request_body_size=max_body,
        max_request_header_size=_MOST_HEADER_BYTES,
        inbuf_overflow=_NEVER_TOO_MUCH,
        clear_untrusted_proxy_headers=False,
    )
