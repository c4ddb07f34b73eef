"""Both transports send and read the same bytes: libcurl and urllib3 must not add headers or retries.

Signatures, certificates, proxies, timeouts and kept-alive connections are tested for both transports in
`tests/unit/aws/test_transport.py`. A new release of either library has to pass both files.
"""

from __future__ import annotations

import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from threading import Thread
from typing import cast

import pytest

from dsops.aws.http.transport import CurlDriver, open_driver
from dsops.aws.http.transport_urllib3 import ThreadDriver
from dsops.aws.http.wire import MAX_ANSWER_BYTES, USER_AGENT, Response, Signing, WireRequest
from dsops.errors import AnswerInvalid, Unreachable
from dsops.secret import Secret
from dsops.tasks import Driver, run, transfer
from tests.stubs.server import Answer, StubServer

SIGNING = Signing("AKIAEXAMPLE", Secret("se/cr+et"), Secret("to/ken+=="), "sts", "eu-west-1", "20261124T120000Z")
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
SAFE = {"host", "user-agent", "content-length", "authorization", "x-amz-date", "x-amz-security-token", "content-type"}
"""All headers that a request may have besides those it sets; urllib3 adds `accept-encoding: identity`."""


@pytest.fixture(params=["pycurl", "urllib3"])
def driver(request: pytest.FixtureRequest) -> Iterator[CurlDriver | ThreadDriver]:
    """Each transport in turn."""
    opened = open_driver({"DSOPS_TRANSPORT": request.param})
    yield opened
    opened.close()


def send(driver: Driver, request: WireRequest) -> Response:
    """Send the request and return its response; raises its error."""
    return cast("Response", run(transfer(request), driver))


# --- requests -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize("size", [0, 1, 1023, 1025, 1_048_577])
@pytest.mark.parametrize("is_signed", [True, False])
def test_no_header_is_sent_that_was_not_asked_for(driver: Driver, method: str, size: int, *, is_signed: bool) -> None:
    """The transport adds no `Expect`, `Accept`, `Connection` or content type header; Content-Length appears once."""
    body = b"x" * (size if method in ("POST", "PUT") else 0)
    headers = (("Content-Type", "application/x-amz-json-1.1"),) if body else ()
    with StubServer(lambda _: Answer(body=b"fine")) as server:
        request = WireRequest(method, f"{server.url}/", headers, body, SIGNING if is_signed else None)
        assert send(driver, request).status == 200
    (seen,) = server.seen
    names = [name.lower() for name, _ in seen.headers]
    assert set(names) - SAFE <= {"accept-encoding"}
    assert len(names) == len(set(names))
    assert (seen.method, seen.body) == (method, body)
    assert seen.header("accept-encoding") in ("", "identity")
    assert seen.header("user-agent") == USER_AGENT
    assert seen.header("content-type") == ("application/x-amz-json-1.1" if body else "")
    if method in ("POST", "PUT"):
        assert seen.header("content-length") == str(len(body))


@pytest.mark.parametrize("text", ["a\r\nX-Evil: 1", "a\nb", "a\0b", " a", "a ", "\u00e9"])
def test_a_header_can_not_end_early(driver: Driver, text: str) -> None:
    """A header value with a line break is refused, and nothing is sent."""
    with StubServer(lambda _: Answer(body=b"fine")) as server:
        with pytest.raises(ValueError, match="can't be sent"):
            send(driver, WireRequest("POST", server.url, (("X-Amz-Target", text),), b"x"))
        assert server.seen == []


# --- answers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "body"),
    [
        (CHUNKED + b"4\r\nfine\r\n0\r\n\r\n", b"fine"),
        (CHUNKED + b"2;name=value\r\nfi\r\n2\r\nne\r\n0\r\nX-Trailer: 1\r\n\r\n", b"fine"),
        (CHUNKED + b"0\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b""),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nfine", b"fine"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine", b"fine"),
    ],
)
def test_every_framing_of_an_answer_is_read(driver: Driver, raw: bytes, body: bytes) -> None:
    """Every framing is read: chunks, Content-Length, until close, an empty body, and after an interim response."""
    with StubServer(lambda _: Answer(raw=raw)) as server:
        assert send(driver, WireRequest("POST", server.url, (), b"x")).body == body


@pytest.mark.parametrize("chunks", [b"4\r\nfi", b"4\r\nfine\r\n", b"zz\r\nfine\r\n0\r\n\r\n"])
def test_chunks_that_break_off_are_no_answer(driver: Driver, chunks: bytes) -> None:
    """Truncated chunks are an error, because half a session is worse than none."""
    with (
        StubServer(lambda _: Answer(raw=CHUNKED + chunks)) as server,
        pytest.raises((Unreachable, AnswerInvalid)) as caught,
    ):
        send(driver, WireRequest("POST", server.url, (), b"x", is_once=True))
    assert caught.value.how_far == "answered"


def test_chunks_without_end_are_bounded(driver: Driver) -> None:
    """Endless chunks are cut off at 16 MB."""
    chunk = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
    raw = CHUNKED + chunk * (MAX_ANSWER_BYTES // 0x100000 + 2)
    with StubServer(lambda _: Answer(raw=raw)) as server, pytest.raises(AnswerInvalid, match="more than 16 MB"):
        send(driver, WireRequest("POST", server.url, (), b"x"))


@pytest.mark.parametrize("before", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhal"])
def test_a_reset_is_told_as_a_lost_connection(driver: Driver, before: bytes) -> None:
    """A connection reset before or within a response is Unreachable: the service may have executed the request."""
    with ResettingServer(before) as url, pytest.raises(Unreachable, match="lost the connection") as caught:
        send(driver, WireRequest("POST", url, (), b"x", is_once=True))
    assert caught.value.how_far in (("sent", "answered") if before else ("sent",))


class ResettingServer:
    """A server that takes one request, sends the beginning of an answer, and resets the connection (RST)."""

    def __init__(self, before: bytes) -> None:
        self._before = before
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(30)
        self._thread = Thread(target=self._serve, daemon=True)

    def __enter__(self) -> str:
        self._thread.start()
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __exit__(self, *_: object) -> None:
        self._thread.join(30)
        self._listener.close()

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection:
            connection.settimeout(30)
            heard = b""
            while not heard.endswith(b"\r\n\r\nx"):
                heard += connection.recv(4096)
            connection.sendall(self._before)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


# --- pycurl and its own package -----------------------------------------------------------------------------


@pytest.mark.parametrize("modules", ["pycurl, dsops.aws.http.transport as t", "dsops.aws.http.transport as t, pycurl"])
def test_a_program_may_import_all_of_pycurl_besides(modules: str) -> None:
    """A program can import all of pycurl before or after dsops, because dsops uses the same classes."""
    checks = "assert (pycurl.Curl, pycurl.error) == (t.pycurl.Curl, t.pycurl.error); pycurl.AsyncCurlMulti"
    script = f"import {modules}; t.CurlDriver().close(); {checks}"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_the_asyncio_layer_of_pycurl_is_not_imported() -> None:
    """pycurl's asyncio layer is not imported, because it takes longer than all of dsops' own imports."""
    script = "import sys, dsops.aws.http.transport as t; assert t.pycurl; "
    script += "assert not {'pycurl', 'asyncio'} & {*sys.modules}"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
