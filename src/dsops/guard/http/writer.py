"""Write the heads of HTTP/1.1 messages. Every byte of a head is checked here, wherever its parts come from."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from functools import lru_cache
from http import HTTPStatus

from dsops.guard.http.exchange import Forward
from dsops.guard.http.parser import End, Headers, RequestStart, ResponseStart
from dsops.request.messages import HttpAnswer

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
CONNECTED = b"HTTP/1.1 200 Connection established\r\n\r\n"
_NOT_SENT = frozenset(
    "connection content-length expect keep-alive proxy-authorization proxy-connection te trailer transfer-encoding"
    " upgrade".split()
)
"""Headers of a Forward that the server writes itself, or that are about the client's connection."""
_WITHOUT_BODY = frozenset(("GET", "HEAD", "DELETE", "OPTIONS"))
_TARGET = re.compile(r"[!-\"$-~]+\Z")
_METHOD = re.compile(r"[A-Z]+(?:-[A-Z]+)*\Z")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")


def request_head(forward: Forward, start: RequestStart, *, length: int | None, extra: Headers = ()) -> bytes:
    """Return the request line and headers for the upstream; a body of unknown length is chunked.

    `extra` are headers of the server's own. Raises ValueError if a part can't stand in a head.
    """
    if _METHOD.match(forward.method) is None or _TARGET.match(forward.target) is None:
        raise ValueError("the method or the target of the request has a character that is not allowed")
    headers = [header for header in forward.headers if header[0].lower() not in _NOT_SENT]
    if "host" not in [name.lower() for name, _ in headers]:
        headers.insert(0, ("host", authority(forward.host, forward.port, is_tls=forward.is_tls)))
    if length is None:
        headers.append(("transfer-encoding", "chunked"))
    elif length or forward.method not in _WITHOUT_BODY or start.has_length:
        headers.append(("content-length", str(length)))
    headers += extra
    return _head(f"{forward.method} {forward.target} HTTP/1.1", headers)


def response_head(start: ResponseStart, *, keep_alive: bool) -> bytes:
    """Return the status line and headers of an upstream's response for the client."""
    headers = list(start.headers)
    if start.is_chunked and start.has_body:
        headers = [header for header in headers if header[0].lower() != "content-length"]
        headers.append(("Transfer-Encoding", "chunked"))
    elif start.status == 204 or start.status < 200:
        headers = [header for header in headers if header[0].lower() != "content-length"]
    if start.status == 101:
        headers.append(("Connection", "Upgrade"))
    elif not keep_alive:
        headers.append(("Connection", "close"))
    return _head(f"HTTP/1.1 {start.status} {start.reason}", headers)


def answer_bytes(answer: HttpAnswer, *, is_head: bool, keep_alive: bool) -> bytes:
    """Return an answer of the gate or of the server as bytes, with `Date` and `Content-Length`."""
    has_body = answer.status >= 200 and answer.status not in {204, 304}
    headers = [header for header in answer.headers if header[0].lower() not in {"content-length", "date", "connection"}]
    headers.append(("Date", _date(int(time.time()))))
    if has_body:
        headers.append(("Content-Length", str(len(answer.body))))
    if not keep_alive:
        headers.append(("Connection", "close"))
    head = _head(f"HTTP/1.1 {answer.status} {_reason(answer.status)}", headers)
    return head + answer.body if has_body and not is_head else head


def plain_answer(status: int, text: str) -> HttpAnswer:
    """Return an answer with one sentence."""
    return HttpAnswer(status, (("Content-Type", "text/plain; charset=utf-8"),), f"dsops guard: {text}\n".encode())


def chunk(data: bytes) -> bytes:
    """Return a piece of a body as a chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def last_chunk(end: End) -> bytes:
    """Return the end of a chunked body with its trailers."""
    return _lines(["0", *[f"{name}: {value}" for name, value in end.trailers]]) if end.trailers else b"0\r\n\r\n"


def authority(host: str, port: int, *, is_tls: bool) -> str:
    """Return `host`, with the port if it is not the scheme's."""
    name = f"[{host}]" if ":" in host else host
    return name if port == (443 if is_tls else 80) else f"{name}:{port}"


def _head(first: str, headers: Sequence[tuple[str, str]]) -> bytes:
    names = [name for name, _ in headers]
    # The pattern describes a single character, so the joined names can be checked with one match.
    if names and ("" in names or _NAME.match("".join(names)) is None):
        raise ValueError("the name of a header has a character that is not allowed")
    return _lines([first, *[f"{name}: {value}" for name, value in headers]])


def _lines(lines: list[str]) -> bytes:
    text = "\r\n".join(lines)
    breaks = len(lines) - 1
    if text.count("\n") != breaks or text.count("\r") != breaks or "\0" in text:
        raise ValueError("a header has a line break or a zero byte")
    return f"{text}\r\n\r\n".encode("latin-1")


@lru_cache(maxsize=64)
def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


_DAYS = "Mon Tue Wed Thu Fri Sat Sun".split()
_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


@lru_cache(maxsize=1)
def _date(seconds: int) -> str:
    """Return the time as a header has it, in English in every locale."""
    at = time.gmtime(seconds)
    return (
        f"{_DAYS[at.tm_wday]}, {at.tm_mday:02} {_MONTHS[at.tm_mon - 1]} {at.tm_year} "
        f"{at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02} GMT"
    )
