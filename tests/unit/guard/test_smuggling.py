"""A message that two readers could understand differently is refused, in a request and in a response."""

from __future__ import annotations

import re

import pytest

from dsops.guard.exchange import Begin, Forward
from dsops.guard.http.limits import Limits
from dsops.guard.http.parser import request_start
from dsops.guard.http.writer import request_head
from tests.guard_fakes import OK, FakeGate, FakeUpstream, Wire, answering, connect, guard_server, one_client

POST = b"POST / HTTP/1.1\r\nHost: h\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
REFUSED = {
    "length and chunked": POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked and length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "two equal lengths": POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "a list of lengths": POST + b"Content-Length: 3, 3\r\n\r\nabc",
    "a signed length": POST + b"Content-Length: +3\r\n\r\nabc",
    "a hexadecimal length": POST + b"Content-Length: 0x3\r\n\r\nabc",
    "a huge length": POST + b"Content-Length: 99999999999999999999999\r\n\r\n",
    "two codings": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "an unknown coding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a coding behind a tab": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "two hosts": POST + b"Host: other\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "an empty host": b"GET / HTTP/1.1\r\nHost:\r\n\r\n",
    "a host with a user": b"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n",
    "a host with a path": b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
    "a host with a wrong port": b"GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n",
    "a host that ends with a dot": b"GET / HTTP/1.1\r\nHost: s3.amazonaws.com.\r\n\r\n",
    "two signatures": POST + b"Authorization: a\r\nAuthorization: b\r\n\r\n",
    "a folded header": POST + b"X: a\r\n b\r\n\r\n",
    "a folded first header": b"POST / HTTP/1.1\r\n X: a\r\nHost: h\r\n\r\n",
    "a bare line feed": POST + b"X: a\nY: b\r\n\r\n",
    "a bare carriage return": POST + b"X: a\rY: b\r\n\r\n",
    "a zero byte": POST + b"X: a\0b\r\n\r\n",
    "a control character": POST + b"X: a\x01b\r\n\r\n",
    "a space before the colon": POST + b"X : a\r\n\r\n",
    "a space in a name": POST + b"X y: a\r\n\r\n",
    "no name": POST + b": a\r\n\r\n",
    "no colon": POST + b"X\r\n\r\n",
    "a name beyond ASCII": POST + b"X\xe9: a\r\n\r\n",
    "a hidden header": POST + b"Connection: x-amz-target\r\nX-Amz-Target: a\r\n\r\n",
    "a hidden host": POST + b"Connection: host\r\n\r\n",
    "a space in the target": b"GET /a b HTTP/1.1\r\nHost: h\r\n\r\n",
    "a fragment": b"GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n",
    "a target beyond ASCII": b"GET /\xe9 HTTP/1.1\r\nHost: h\r\n\r\n",
    "a target that is no path": b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
    "a URL of another host": b"GET http://other/ HTTP/1.1\r\nHost: h\r\n\r\n",
    "a URL of another port": b"GET http://h:81/ HTTP/1.1\r\nHost: h\r\n\r\n",
    "a URL with a user": b"GET http://a@h/ HTTP/1.1\r\nHost: h\r\n\r\n",
    "a URL of HTTPS": b"GET https://h/ HTTP/1.1\r\nHost: h\r\n\r\n",
    "HTTP/1.0": b"GET / HTTP/1.0\r\nHost: h\r\n\r\n",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "HTTP/2 in words": b"GET / HTTP/2.0\r\nHost: h\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a method in lower case": b"get / HTTP/1.1\r\nHost: h\r\n\r\n",
    "an expectation": POST + b"Content-Length: 1\r\nExpect: money\r\n\r\n1",
    "an upgrade with a body": POST + b"Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 1\r\n\r\n1",
    "CONNECT with a body": b"CONNECT h:443 HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n1",
    "CONNECT without a port": b"CONNECT h HTTP/1.1\r\nHost: h\r\n\r\n",
    "a chunk longer than its size": CHUNKED + b"3\r\nabcd\r\n0\r\n\r\n",
    "a size with 0x": CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n",
    "a size with a space": CHUNKED + b"3 \r\nabc\r\n0\r\n\r\n",
    "a negative size": CHUNKED + b"-3\r\nabc\r\n0\r\n\r\n",
    "a huge size": CHUNKED + b"fffffffffffffffff\r\nabc\r\n0\r\n\r\n",
    "chunks with line feeds": CHUNKED + b"3\nabc\n0\n\n",
    "a line feed in an extension": CHUNKED + b"3;a\nb\r\nabc\r\n0\r\n\r\n",
    "a trailer": CHUNKED + b"0\r\nx-amz-target: a\r\n\r\n",
    "a framing trailer": CHUNKED + b"0\r\nTransfer-Encoding: chunked\r\n\r\n",
    "too many headers": POST + b"".join(b"x%d: y\r\n" % number for number in range(256)) + b"\r\n",
    "too long a header": POST + b"x: " + b"a" * 70_000,
    "too long headers": POST + b"".join(b"x%d: %b\r\n" % (number, b"y" * 1_000) for number in range(80)) + b"\r\n",
    "too long a target": b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: h\r\n\r\n",
    "too long an extension": CHUNKED + b"3;" + b"a" * 400_000,
    "too many at once": b"GET / HTTP/1.1\r\nHost: h\r\n\r\n" * 20 + POST + b"Content-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("begin", ["body", "head"])
@pytest.mark.parametrize("name", REFUSED)
def test_an_ambiguous_request_is_refused(name: str, begin: Begin) -> None:
    """The request gets an answer from 400 on, the connection is closed, and the upstream gets no whole request."""
    whole = []

    def talk(wire: Wire) -> None:
        while True:
            _, headers = wire.head()
            body = wire.exactly(int(headers.get("content-length", "0")))
            whole.append(b"".join(wire.chunks()) if "transfer-encoding" in headers else body)
            wire.send(OK)

    with FakeUpstream(talk) as upstream:
        gate = FakeGate(upstream.address)
        gate.begin_with = begin
        with guard_server(gate, limits=Limits(pipelined=10)) as (server, _), connect(server) as wire:
            wire.send(REFUSED[name])
            answers = wire.rest()

    statuses = [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) [A-Z]", answers)]
    assert statuses[-1] >= 400
    assert len(whole) == statuses.count(200)
    assert name == "too many at once" or whole == []


@pytest.mark.parametrize(
    "data",
    [
        POST + b"Content-Length: 3 \r\n\r\nabc",
        POST + b"X_y: a\r\nContent-Length: 0\r\n\r\n",
        POST + b"X: caf\xe9\r\nX: again\r\nContent-Length: 0\r\n\r\n",
        b"\r\n" + POST + b"Content-Length: 0\r\n\r\n",
        b"GET http://h/a?b HTTP/1.1\r\nHost: h:80\r\n\r\n",
        b"GET http://H HTTP/1.1\r\nHost: h\r\n\r\n",
        CHUNKED + b"3;a=b\r\nabc\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n",
    ],
)
def test_an_unusual_but_clear_request_is_served(data: bytes) -> None:
    """A request with one meaning is forwarded, byte by byte too."""
    with FakeUpstream(answering(OK)) as upstream, guard_server(FakeGate(upstream.address)) as (server, _):
        for pieces in ([data], [data[place : place + 1] for place in range(len(data))]):
            with connect(server) as wire:
                wire.send(*pieces)
                assert ("HTTP/1.1 200 OK", b"ok") == wire.message()[::2]


def test_pipelined_requests_are_answered_in_order() -> None:
    """A client that does not wait for responses gets them one after the other."""
    with FakeUpstream(answering(OK)) as upstream, one_client(upstream) as wire:
        wire.send((POST + b"Content-Length: 3\r\n\r\nabc") * 10)
        assert [b"ok"] * 10 == [wire.message()[2] for _ in range(10)]


START = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "response",
    [
        START + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        START + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
        START + b"Transfer-Encoding: gzip\r\n\r\nabc",
        START + b"X: a\r\n b\r\n\r\n",
        START + b"X: a\0b\r\n\r\n",
        START + b"X y: a\r\n\r\n",
        START.replace(b"\r", b"") + b"Content-Length: 0\n\n",
        b"HTTP/1.1 99 OK\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"SSH-2.0-x\r\n",
        b"HTTP/1.1 200",
        START + b"X: " + b"a" * 100_000,
        START + b"Content-Length: x\r\n\r\n",
        b"",
    ],
)
def test_a_malformed_response_is_not_passed_on(response: bytes) -> None:
    """The client gets 502 with a sentence, and none of the upstream's bytes."""

    def talk(wire: Wire) -> None:
        wire.head()
        wire.send(response)

    with FakeUpstream(talk) as upstream:
        gate = FakeGate(upstream.address)
        with guard_server(gate) as (server, _), connect(server) as wire:
            wire.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            first, headers, body = wire.message()

    assert ("HTTP/1.1 502 Bad Gateway", "text/plain; charset=utf-8") == (first, headers["content-type"])
    assert body.startswith(b"dsops guard: ")
    assert [(0, True)] == [(result.status, bool(result.error)) for result in gate.results]


@pytest.mark.parametrize(
    ("response", "arrived"),
    [
        (START + b"Content-Length: 9\r\n\r\nabc", b"abc"),
        (START + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", b"3\r\nabc\r\n"),
    ],
)
def test_a_response_that_breaks_off_breaks_the_clients_connection(response: bytes, arrived: bytes) -> None:
    """The client can't take an incomplete body for a whole one."""

    def talk(wire: Wire) -> None:
        wire.head()
        wire.send(response)

    with FakeUpstream(talk) as upstream:
        gate = FakeGate(upstream.address)
        with guard_server(gate) as (server, _), connect(server) as wire:
            wire.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            data = wire.rest()

    assert arrived.startswith(data.partition(b"\r\n\r\n")[2])
    assert not data.endswith(b"0\r\n\r\n")
    assert [200] == [result.status for result in gate.results]
    assert "" != gate.results[0].error


FORWARD = Forward("h", 80, is_tls=False, target="/", method="GET", headers=(("host", "h"),), body=b"")


@pytest.mark.parametrize(
    "forward",
    [
        FORWARD._replace(target="/a b"),
        FORWARD._replace(target="/a\r\nx: y"),
        FORWARD._replace(method="GET / HTTP/1.1\r\nx:"),
        FORWARD._replace(headers=(("x\r\ny", "1"),)),
        FORWARD._replace(headers=(("x", "1\r\ny: 2"),)),
        FORWARD._replace(headers=(("x", "1\n"),)),
        FORWARD._replace(headers=(("x", "\0"),)),
        FORWARD._replace(headers=(("x", "\u20ac"),)),
    ],
)
def test_a_forward_that_would_add_a_line_is_refused(forward: Forward) -> None:
    """The head for the upstream is checked, wherever its parts come from."""
    start = request_start("GET", b"/", (("Host", "h"),), "1.1")

    assert request_head(FORWARD, start, length=0) == b"GET / HTTP/1.1\r\nhost: h\r\n\r\n"
    with pytest.raises(ValueError):
        request_head(forward, start, length=0)
