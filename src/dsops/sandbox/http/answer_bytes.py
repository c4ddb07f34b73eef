"""Write HTTP answers as bytes."""

from __future__ import annotations

from functools import lru_cache
from http import HTTPStatus
from typing import Any

from waitress.utilities import InternalServerError, build_http_date

from dsops.request.messages import HttpAnswer
from dsops.sandbox.http.parser import Parser

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def answer_parts(answer: HttpAnswer, asked: Parser, server: str, now: float) -> tuple[bytes, bytes]:
    """Return the head and the body of the answer to a request.

    - `server`: the value of the `Server` header.
    - `now`: seconds since 1970.

    Raises ValueError if a header contains a line break, or if the Content-Length is wrong.
    """
    length = next(value for name, value in answer.headers if name.lower() == "content-length")
    is_head = asked.command == "HEAD"
    if not is_head and int(length) != len(answer.body):
        raise ValueError("the answer has another length than it says")
    headers = answer.headers
    has_body = answer.status >= 200 and answer.status not in {204, 304}
    if not has_body:
        headers = tuple((name, value) for name, value in headers if name.lower() != "content-length")
    headers = (*headers, ("Server", server), ("Date", _date(int(now))))
    if asked.closes:
        headers = (*headers, ("Connection", "close"))
    elif asked.answer_version == "1.0":
        headers = (*headers, ("Connection", "Keep-Alive"))
    head = _head(asked.answer_version, _status(answer.status), headers)
    # The answer to a HEAD request has the Content-Length of the answer to a GET request, but no body.
    return head, answer.body if has_body and not is_head else b""


def error_parts(asked: Parser, server: str, now: float) -> tuple[bytes, bytes]:
    """Return the head and the body of the answer to a request that could not be parsed."""
    return _error(asked.error, asked.answer_version, server, now)


def failure_parts(asked: Parser, server: str, now: float) -> tuple[bytes, bytes]:
    """Return the head and the body of the answer to a request that could not be answered because of a bug."""
    error = InternalServerError("The server encountered an unexpected internal server error")
    return _error(error, asked.answer_version, server, now)


def _error(error: Any, version: str, server: str, now: float) -> tuple[bytes, bytes]:  # Any: waitress has no type hints
    status, headers, body = error.to_response(server)
    headers = (
        ("Connection", "close"),
        ("Content-Length", str(len(body))),
        *headers,
        ("Date", _date(int(now))),
        ("Server", server),
    )
    return _head(version, status, headers), body


def _head(version: str, status: str, headers: tuple[tuple[str, str], ...]) -> bytes:
    lines = [f"HTTP/{version} {status}", *[f"{name}: {value}" for name, value in headers]]
    head = "\r\n".join(lines)
    if head.count("\n") != len(headers) or head.count("\r") != len(headers):
        raise ValueError("a line ends inside of a header of the answer")
    return f"{head}\r\n\r\n".encode("latin-1")


@lru_cache(maxsize=256)
def _status(status: int) -> str:
    """Return the status code and its phrase. Raises ValueError for an unknown code."""
    return f"{status} {HTTPStatus(status).phrase}"


@lru_cache(maxsize=4)
def _date(seconds: int) -> str:
    text: str = build_http_date(seconds)
    return text
