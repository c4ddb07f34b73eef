"""The guard's server forwards what the gate allows, as an endpoint and as a proxy."""

from __future__ import annotations

import asyncio
import socket
import time
from datetime import UTC, datetime

import pytest

from dsops.guard.authority import Authority
from dsops.guard.exchange import Begin
from dsops.guard.http.limits import Limits
from dsops.guard.http.serving import Serving
from dsops.guard.http.upstream import Network
from dsops.request.messages import HttpAnswer
from tests.guard_fakes import OK, SECONDS, FakeGate, FakeUpstream, Wire, answering, connect, guard_server, one_client

GET = b"GET /b/k?x=1 HTTP/1.1\r\nHost: s3.amazonaws.com\r\nX-Amz-Date: d\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"


def test_requests_of_one_connection_reach_the_upstream_over_one_connection() -> None:
    """Keep-alive works on both sides, and the gate gets each request with its body."""
    with FakeUpstream(answering(OK)) as upstream:
        gate = FakeGate(upstream.address)
        with guard_server(gate) as (server, _), connect(server) as wire:
            for data in (GET, POST, GET):
                wire.send(data)
                assert ("HTTP/1.1 200 OK", b"ok") == wire.message()[::2]

    assert [b"", b"hello", b""] == gate.bodies
    assert upstream.connections == 1
    assert ("/b/k", "x=1", "s3.amazonaws.com", True, False) == (
        gate.heads[0].path,
        gate.heads[0].query,
        gate.heads[0].host,
        gate.heads[0].is_direct,
        gate.heads[0].is_tls,
    )
    assert [200, 200, 200] == [result.status for result in gate.results]


def test_the_upstream_gets_a_head_that_the_server_wrote() -> None:
    """Headers about the client's connection are not forwarded, and the length is the body's."""
    heads = []

    def talk(wire: Wire) -> None:
        heads.append(wire.until(b"\r\n\r\n"))
        wire.exactly(3)
        wire.send(OK)

    with FakeUpstream(talk) as upstream:
        gate = FakeGate(upstream.address)
        headers = (("host", "a"), ("x-y", "1"), ("te", "trailers"))
        gate.change = lambda forward: forward._replace(body=b"new", target="/other", headers=headers)
        with guard_server(gate) as (server, _), connect(server) as wire:
            wire.send(b"POST / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n")
            wire.send(b"Proxy-Authorization: x\r\nContent-Length: 1\r\n\r\n1")
            wire.message()

    assert [b"POST /other HTTP/1.1\r\nhost: a\r\nx-y: 1\r\ncontent-length: 3\r\n\r\n"] == heads
    assert ["host", "content-length"] == [name for name, _ in gate.heads[0].headers]


@pytest.mark.parametrize("begin", ["body", "head"])
def test_a_continue_is_sent_only_after_the_head_was_accepted(begin: Begin) -> None:
    """A client that expects `100 Continue` gets it before its body is read."""
    with FakeUpstream(answering(OK)) as upstream:
        gate = FakeGate(upstream.address)
        gate.begin_with = begin
        with guard_server(gate) as (server, _), connect(server) as wire:
            wire.send(b"PUT /k HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
            assert wire.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            wire.send(b"body")
            assert wire.message()[2] == b"ok"


def test_a_refused_head_gets_no_continue() -> None:
    """An answer of the gate to the head is sent instead of `100 Continue`, and closes the connection."""
    gate = FakeGate(("127.0.0.1", 1))
    gate.begin_with = HttpAnswer(403, (("Content-Type", "text/xml"),), b"<no/>")
    with guard_server(gate) as (server, _), connect(server) as wire:
        wire.send(b"PUT /k HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
        first, headers, body = wire.message()
        wire.socket.close()

    assert ("HTTP/1.1 403 Forbidden", "close", b"<no/>") == (first, headers["connection"], body)
    assert gate.bodies == []


def test_a_refusal_after_the_body_keeps_the_connection() -> None:
    """After an answer of `decide`, the connection takes another request."""
    gate = FakeGate(("127.0.0.1", 1))
    gate.decide_with = HttpAnswer(400, (), b"no")
    with guard_server(gate) as (server, _), connect(server) as wire:
        for _ in range(2):
            wire.send(POST)
            assert ("HTTP/1.1 400 Bad Request", b"no") == wire.message()[::2]


def test_an_error_of_the_gate_refuses_the_request() -> None:
    """A bug of the gate never lets a request pass."""
    with FakeUpstream(answering(OK)) as upstream:
        gate = FakeGate(upstream.address)
        gate.decide_with = RuntimeError("a bug")
        with guard_server(gate) as (server, _), connect(server) as wire:
            wire.send(POST)
            first, _, body = wire.message()

    assert "HTTP/1.1 500 Internal Server Error" == first
    assert b"a bug" not in body
    assert upstream.connections == 0


def test_a_body_is_streamed_and_transformed() -> None:
    """A body that the gate does not need is forwarded as it arrives, through the transform, with the same length."""
    received = []

    def talk(wire: Wire) -> None:
        _, headers = wire.head()
        assert headers["content-length"] == "6"
        received.append(wire.exactly(3))
        arrived.append(wire)
        received.append(wire.exactly(3))
        wire.send(OK)

    arrived: list[Wire] = []
    with FakeUpstream(talk) as upstream:
        gate = FakeGate(upstream.address)
        gate.begin_with, gate.transform = "head", bytes.upper
        with guard_server(gate) as (server, _), connect(server) as wire:
            wire.send(b"PUT /k HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\nabc")
            end = time.monotonic() + SECONDS
            while not arrived and time.monotonic() < end:
                time.sleep(0.01)
            wire.send(b"def")
            assert wire.message()[2] == b"ok"

    assert received == [b"ABC", b"DEF"]
    assert gate.bodies == [None]


def test_a_chunked_body_is_buffered_or_streamed() -> None:
    """A chunked body becomes one with a length if the gate needs it, and stays chunked otherwise."""
    received: list[bytes] = []

    def talk(wire: Wire) -> None:
        _, headers = wire.head()
        whole = wire.exactly(int(headers["content-length"])) if "content-length" in headers else b"".join(wire.chunks())
        received.append(whole)
        wire.send(OK)

    with FakeUpstream(talk) as upstream:
        gate = FakeGate(upstream.address)
        with guard_server(gate) as (server, _):
            begins: tuple[Begin, ...] = ("body", "head")
            for gate.begin_with in begins:
                with connect(server) as wire:
                    wire.send(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
                    wire.send(b"3\r\nabc\r\n", b"2;x=y\r\nde\r\n", b"0\r\n\r\n")
                    assert wire.message()[2] == b"ok"

    assert received == [b"abcde", b"abcde"]
    assert gate.bodies == [b"abcde", None]


def test_a_response_is_passed_on_while_it_arrives() -> None:
    """Each piece of an event stream reaches the client before the next one is sent; trailers are kept."""
    links: list[Wire] = []

    def talk(wire: Wire) -> None:
        links.append(wire)
        wire.head()
        wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n5\r\nfirst\r\n")
        wire.rest()

    with FakeUpstream(talk) as upstream, one_client(upstream) as wire:
        wire.send(GET)
        _, headers = wire.head()
        assert ("chunked", "x-sum") == (headers["transfer-encoding"], headers["trailer"])
        assert wire.exactly(10) == b"5\r\nfirst\r\n"
        links[0].send(b"6\r\nsecond\r\n0\r\nx-sum: 7\r\n\r\n")
        assert wire.until(b"x-sum: 7\r\n\r\n") == b"6\r\nsecond\r\n0\r\nx-sum: 7\r\n\r\n"


@pytest.mark.parametrize(
    ("request_data", "response", "expected"),
    [
        (b"HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", b"Content-Length: 9"),
        (b"GET", b"HTTP/1.1 204 No Content\r\n\r\n", b"204 No Content"),
        (b"GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", b"304 Not Modified"),
        (b"GET", b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", b"204 No Content"),
    ],
)
def test_a_response_without_a_body_ends_with_its_head(request_data: bytes, response: bytes, expected: bytes) -> None:
    """Responses to HEAD, 204 and 304 have no body, and the connection takes another request."""
    with FakeUpstream(answering(response)) as upstream, one_client(upstream) as wire:
        for _ in range(2):
            wire.send(request_data + b" / HTTP/1.1\r\nHost: h\r\n\r\n")
            head = wire.until(b"\r\n\r\n")
            assert expected in head
            assert b"103" not in head
    assert upstream.connections == 1


def test_a_response_without_a_length_ends_with_the_connection() -> None:
    """A body that ends with the upstream's connection ends the client's connection, too."""

    def talk(wire: Wire) -> None:
        wire.head()
        wire.send(b"HTTP/1.1 200 OK\r\n\r\n", b"some ", b"bytes")

    with FakeUpstream(talk) as upstream, one_client(upstream) as wire:
        wire.send(GET)
        _, headers = wire.head()
        assert (headers["connection"], wire.rest()) == ("close", b"some bytes")


def test_a_connection_that_is_accepted_while_the_server_stops_is_closed() -> None:
    """A connection that arrives in the same turn of the event loop as the order to stop does not stay open."""
    bugs: list[BaseException] = []
    stop, listener = asyncio.Event(), socket.create_server(("127.0.0.1", 0))
    clients: list[socket.socket] = []

    def connect_and_stop() -> None:
        clients.append(socket.create_connection(listener.getsockname(), timeout=SECONDS))
        runner.get_loop().call_soon(stop.set)

    with asyncio.Runner() as runner:
        runner.get_loop().call_later(0.05, connect_and_stop)
        gate, context = FakeGate(("127.0.0.1", 1)), Authority(datetime.now(UTC)).context
        runner.run(Serving(gate, context, Network({}), Limits(), bugs.append).run(listener, stop))
    with clients[0] as client:
        assert client.recv(1) == b""

    assert bugs == []
