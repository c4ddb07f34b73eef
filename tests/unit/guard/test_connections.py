"""Connections of the guard's server: they are reused, limited, ended in time, and hold bounded memory."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable

import pytest

from dsops.guard.exchange import Begin
from dsops.guard.http.limits import Limits
from dsops.request.messages import HttpAnswer
from tests.guard_fakes import OK, SECONDS, FakeGate, FakeUpstream, Wire, answering, connect, guard_server

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"


def wait_until(is_true: Callable[[], object]) -> None:
    """Wait for something that another thread does."""
    end = time.monotonic() + SECONDS
    while not is_true():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_a_kept_connection_that_the_upstream_closed_is_replaced() -> None:
    """A request with a buffered body is sent again over a new connection if the upstream read none of it."""
    connections: list[Wire] = []

    def talk(wire: Wire) -> None:
        connections.append(wire)
        wire.message()
        wire.send(OK)
        if len(connections) == 1:
            wire.until(b"\r\n\r\n")
            return
        wire.rest()

    with FakeUpstream(talk) as upstream:
        gate = FakeGate(upstream.address)
        with guard_server(gate) as (server, _), connect(server) as wire:
            for _ in range(2):
                wire.send(POST)
                assert wire.message()[2] == b"ok"

    assert len(connections) == 2
    assert [200, 200] == [result.status for result in gate.results]


def test_a_streamed_body_is_not_sent_twice() -> None:
    """If a kept connection ends after a part of a streamed body was sent, the client gets 502."""

    def talk(wire: Wire) -> None:
        wire.message()
        wire.send(OK)
        wire.until(b"\r\n\r\n")

    with FakeUpstream(talk) as upstream:
        gate = FakeGate(upstream.address)
        with guard_server(gate) as (server, _), connect(server) as wire:
            wire.send(POST)
            assert wire.message()[2] == b"ok"
            gate.begin_with = "head"
            wire.send(POST)
            assert wire.message()[0] == "HTTP/1.1 502 Bad Gateway"

    assert upstream.connections == 1
    assert [True, False] == [result.error == "" for result in gate.results]


def test_a_new_connection_that_breaks_is_not_tried_again() -> None:
    """An upstream that reads a request and closes the connection gets it only once."""
    with FakeUpstream(Wire.message) as upstream:
        with guard_server(FakeGate(upstream.address)) as (server, _), connect(server) as wire:
            wire.send(POST)
            assert wire.message()[0] == "HTTP/1.1 502 Bad Gateway"
        assert upstream.connections == 1


def test_an_upstream_that_refuses_connections_is_answered() -> None:
    """The client gets 502 with the reason, and `done` is called once."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        address = unused.getsockname()
    gate = FakeGate(address)
    with guard_server(gate) as (server, _), connect(server) as wire:
        wire.send(POST)
        assert wire.message()[0] == "HTTP/1.1 502 Bad Gateway"
    assert [0] == [result.status for result in gate.results]
    assert "refused" in gate.results[0].error


@pytest.mark.parametrize("begin", ["body", "head"])
@pytest.mark.parametrize("is_whole", [True, False])
def test_a_client_that_leaves_ends_its_transfer(begin: Begin, is_whole: bool) -> None:  # noqa: FBT001 - a parameter
    """When the client closes its connection, the upstream's connection ends at once, and `done` is called once."""
    started, ended = threading.Event(), threading.Event()

    def talk(wire: Wire) -> None:
        wire.head()
        started.set()
        wire.rest()
        ended.set()

    with FakeUpstream(talk) as upstream:
        gate = FakeGate(upstream.address)
        gate.begin_with = begin
        with guard_server(gate) as (server, _):
            with connect(server) as wire:
                wire.send(POST if is_whole else POST[:-2])
                if is_whole or begin == "head":
                    assert started.wait(SECONDS)
            if is_whole or begin == "head":
                assert ended.wait(SECONDS)
                wait_until(lambda: gate.results)

    expected = [0] if is_whole or begin == "head" else []
    assert expected == [result.status for result in gate.results]


def test_an_answer_before_the_end_of_the_body_reaches_the_client() -> None:
    """A response that the upstream sends before it has read the body is passed on, and both connections end."""
    has_come = threading.Event()

    def talk(wire: Wire) -> None:
        wire.head()
        wire.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nlate")
        has_come.wait(SECONDS)

    with FakeUpstream(talk) as upstream:
        gate = FakeGate(upstream.address)
        gate.begin_with = "head"
        with guard_server(gate) as (server, _), connect(server) as wire:
            wire.send(b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 50000000\r\n\r\n", b"x" * 100_000)
            first, headers, body = wire.message()
            has_come.set()

    assert ("HTTP/1.1 403 Forbidden", "close", b"late") == (first, headers["connection"], body)
    assert b"late" == gate.results[0].refusal


@pytest.mark.parametrize("transform", [lambda data: data + b"more", lambda data: data[:1]])
def test_a_transform_that_changes_the_length_ends_the_request(transform: Callable[[bytes], bytes]) -> None:
    """The upstream never gets a body of another length than its head says."""
    received = []

    def talk(wire: Wire) -> None:
        received.append(wire.rest().partition(b"\r\n\r\n")[2])

    with FakeUpstream(talk) as upstream:
        gate = FakeGate(upstream.address)
        gate.begin_with, gate.transform = "head", transform
        with guard_server(gate) as (server, _), connect(server) as wire:
            wire.send(POST)
            assert wire.message()[0] == "HTTP/1.1 400 Bad Request"
        wait_until(lambda: received)
    assert len(received[0]) < 5


def test_a_transform_that_refuses_ends_the_request() -> None:
    """A ValueError of the transform is the answer to the client, and the upstream does not get the whole body."""

    def refuse(data: bytes) -> bytes:
        if not data:
            raise ValueError("the signature of the last chunk does not match")
        return data

    received = []

    def talk(wire: Wire) -> None:
        received.append(wire.rest().partition(b"\r\n\r\n")[2])

    with FakeUpstream(talk) as upstream:
        gate = FakeGate(upstream.address)
        gate.begin_with, gate.transform = "head", refuse
        with guard_server(gate) as (server, _), connect(server) as wire:
            wire.send(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n")
            first, _, body = wire.message()
        wait_until(lambda: received)

    assert ("HTTP/1.1 400 Bad Request", True) == (first, b"signature of the last chunk" in body)
    assert b"0\r\n\r\n" not in received[0]


def test_a_large_body_for_the_gate_is_refused() -> None:
    """A body beyond the limit gets 413, before it is read if its length is known."""
    gate = FakeGate(("127.0.0.1", 1))
    chunked = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
    with guard_server(gate, limits=Limits(body=10)) as (server, _):
        for data in (POST.replace(b": 5", b": 11")[:-5], chunked):
            with connect(server) as wire:
                wire.send(data)
                assert wire.message()[0].startswith("HTTP/1.1 413 ")
    assert gate.bodies == []


def test_many_large_bodies_at_once_are_refused() -> None:
    """The bodies that are buffered at the same time have a limit together."""
    gate = FakeGate(("127.0.0.1", 1))
    gate.decide_with = HttpAnswer(400, (), b"no")
    with guard_server(gate, limits=Limits(bodies=8)) as (server, _), connect(server) as first, connect(server) as other:
        first.send(POST[:-1])
        wait_until(lambda: server._serving.body_bytes == 4)
        other.send(POST)
        assert other.message()[0].startswith("HTTP/1.1 503 ")
        first.send(b"o")
        assert first.message()[0].startswith("HTTP/1.1 400 ")


@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_transfer_is_held_in_bounded_memory(direction: str) -> None:
    """While one side does not read, the guard takes at most a few buffers of the other side's bytes."""
    go, size = threading.Event(), 64_000_000

    def talk(wire: Wire) -> None:
        _, headers = wire.head()
        if direction == "down":
            wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size, bytes(size))
            return
        assert go.wait(SECONDS)
        wire.skip(int(headers["content-length"]))
        wire.send(OK)

    def load(wire: Wire) -> None:
        head = b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % (size if direction == "up" else 0)
        wire.send(head)
        if direction == "up":
            wire.send(bytes(size))

    with FakeUpstream(talk) as upstream:
        gate = FakeGate(upstream.address)
        gate.begin_with = "head"
        with guard_server(gate) as (server, _), connect(server) as wire:
            thread = threading.Thread(target=load, args=(wire,), daemon=True)
            thread.start()
            time.sleep(0.5)
            streams = [*server._serving._connections, *server._serving.pool._open]
            queued = sum(stream._size + stream.transport.get_write_buffer_size() for stream in streams)
            go.set()
            if direction == "up":
                assert wire.message()[2] == b"ok"
            else:
                wire.head()
                wire.skip(size)
            thread.join(SECONDS)
    assert queued < 2_000_000


def test_an_idle_client_is_closed() -> None:
    """A connection without a request ends after its time."""
    with guard_server(FakeGate(("127.0.0.1", 1)), limits=Limits(idle=0.1)) as (server, _), connect(server) as wire:
        assert wire.rest() == b""


def test_a_head_that_trickles_in_is_closed() -> None:
    """Further bytes do not extend the time for a request's headers."""
    gate = FakeGate(("127.0.0.1", 1))
    with guard_server(gate, limits=Limits(head_arrival=0.3)) as (server, _), connect(server) as wire:
        wire.send(b"GET / HTTP/1.1\r\n")
        end = time.monotonic() + SECONDS
        with contextlib.suppress(ConnectionError):
            while time.monotonic() < end:
                wire.send(b"x: y\r\n")
                time.sleep(0.05)
        assert time.monotonic() < end


def test_a_body_that_does_not_arrive_is_answered() -> None:
    """A body that stops gets 408."""
    with guard_server(FakeGate(("127.0.0.1", 1)), limits=Limits(stall=0.1)) as (server, _), connect(server) as wire:
        wire.send(POST[:-1])
        assert wire.message()[0].startswith("HTTP/1.1 408 ")


def test_an_upstream_that_does_not_answer_is_given_up() -> None:
    """A response that does not begin in time gets 502."""
    with FakeUpstream(Wire.rest) as upstream:
        gate = FakeGate(upstream.address)
        with guard_server(gate, limits=Limits(response=0.1)) as (server, _), connect(server) as wire:
            wire.send(GET)
            assert wire.message()[0] == "HTTP/1.1 502 Bad Gateway"


def test_a_websocket_passes_bytes_after_the_decision() -> None:
    """After an allowed upgrade, bytes are passed in both directions."""

    def talk(wire: Wire) -> None:
        _, headers = wire.head()
        assert ("Upgrade", "websocket") == (headers["connection"], headers["upgrade"])
        wire.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n")
        wire.send(b"Sec-WebSocket-Accept: x\r\n\r\nfirst")
        wire.send(wire.exactly(4))

    with FakeUpstream(talk) as upstream:
        gate = FakeGate(upstream.address)
        with guard_server(gate) as (server, _), connect(server) as wire:
            wire.send(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
            first, headers = wire.head()
            assert ("HTTP/1.1 101 Switching Protocols", "Upgrade", "websocket", "x") == (
                first,
                headers["connection"],
                headers["upgrade"],
                headers["sec-websocket-accept"],
            )
            wire.send(b"ping")
            assert wire.rest() == b"firstping"
    assert [101] == [result.status for result in gate.results]


def test_close_ends_everything_at_once() -> None:
    """Transfers, idle connections and the thread end when the server closes."""
    started = threading.Event()

    def talk(wire: Wire) -> None:
        wire.head()
        started.set()
        wire.rest()

    with FakeUpstream(talk) as upstream:
        gate = FakeGate(upstream.address)
        with guard_server(gate) as (server, _), connect(server) as busy, connect(server) as idle:
            busy.send(GET)
            assert started.wait(SECONDS)
            began = time.monotonic()
            server.close()
            assert time.monotonic() - began < 20
            assert (busy.rest(), idle.rest()) == (b"", b"")
            assert not server._thread or not server._thread.is_alive()
    assert [0] == [result.status for result in gate.results]


def test_a_flood_of_connections_leaves_room_for_a_request() -> None:
    """At the limit of connections, the one that has waited longest is closed, and new requests are served."""
    with FakeUpstream(answering(OK)) as upstream, contextlib.ExitStack() as open_ones:
        gate = FakeGate(upstream.address)
        server, _ = open_ones.enter_context(guard_server(gate, limits=Limits(connections=20)))
        for number in range(200):
            flood = open_ones.enter_context(connect(server))
            if number % 2:
                flood.send(b"GET / HT")
        with connect(server) as wire:
            wire.send(POST)
            assert wire.message()[2] == b"ok"
        assert len(server._serving._connections) <= 20


def test_tunnels_without_a_handshake_leave_room_for_a_request() -> None:
    """Connections that wait for a handshake of TLS count, and are closed for new ones."""
    with FakeUpstream(answering(OK)) as upstream, contextlib.ExitStack() as open_ones:
        gate = FakeGate(upstream.address)
        server, _ = open_ones.enter_context(guard_server(gate, limits=Limits(connections=20)))
        floods = [open_ones.enter_context(connect(server)) for _ in range(60)]
        for flood in floods:
            with contextlib.suppress(ConnectionError):
                flood.send(b"CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n")
        late = open_ones.enter_context(connect(server))
        late.send(b"CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n")
        assert b"200" in late.until(b"\r\n\r\n")
        assert 1 < len(server._serving._connections) <= 20
        with connect(server) as wire:
            wire.send(POST)
            assert wire.message()[2] == b"ok"


def test_an_error_after_the_response_adds_nothing_to_it() -> None:
    """If `done` raises, the client gets the whole response, and no second one."""
    bug = RuntimeError("a bug of the gate")

    def fail(_: object) -> None:
        raise bug

    with FakeUpstream(answering(OK)) as upstream:
        gate = FakeGate(upstream.address)
        gate.change = lambda forward: forward._replace(done=fail)
        with guard_server(gate, bug=bug) as (server, _), connect(server) as wire:
            wire.send(POST)
            assert wire.rest() == OK


def test_a_long_upload_is_not_taken_for_a_missing_response() -> None:
    """The time for the response begins again with each piece of the body."""

    def talk(wire: Wire) -> None:
        wire.message()
        wire.send(OK)

    with FakeUpstream(talk) as upstream:
        gate = FakeGate(upstream.address)
        gate.begin_with = "head"
        with guard_server(gate, limits=Limits(response=4)) as (server, _), connect(server) as wire:
            wire.send(b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\n")
            for _ in range(11):
                time.sleep(0.4)
                wire.send(b"x")
            assert wire.message()[2] == b"ok"


def test_upstreams_are_reached_through_the_proxy_of_the_environment() -> None:
    """HTTPS_PROXY and its login are used for a tunnel to the upstream; a refusal is told without the password."""
    seen: list[bytes] = []

    def talk(wire: Wire) -> None:
        seen.append(wire.until(b"\r\n\r\n"))
        wire.send(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")

    with FakeUpstream(talk) as proxy:
        environ = {"https_proxy": "http://user:pass%20word@{}:{}".format(*proxy.address)}
        gate = FakeGate(("sts.eu-west-1.amazonaws.com", 443), is_tls=True)
        with guard_server(gate, environ=environ) as (server, _), connect(server) as wire:
            wire.send(POST)
            first, _, body = wire.message()

    assert "HTTP/1.1 502 Bad Gateway" == first
    assert seen == [
        (
            b"CONNECT sts.eu-west-1.amazonaws.com:443 HTTP/1.1\r\nHost: sts.eu-west-1.amazonaws.com:443\r\n"
            b"Proxy-Authorization: Basic dXNlcjpwYXNzIHdvcmQ=\r\n\r\n"
        )
    ]
    assert b"https_proxy" in body
    assert b"407" in body
    assert b"word" not in body


def test_an_upstream_without_tls_is_reached_through_an_http_proxy() -> None:
    """HTTP_PROXY gets the request with the absolute URL and the login."""
    seen: list[bytes] = []

    def talk(wire: Wire) -> None:
        seen.append(wire.until(b"\r\n\r\n"))
        wire.send(OK)

    with FakeUpstream(talk) as proxy:
        environ = {"http_proxy": "http://user:secret@{}:{}".format(*proxy.address)}
        gate = FakeGate(("plain.example", 80))
        with guard_server(gate, environ=environ) as (server, _), connect(server) as wire:
            wire.send(GET)
            assert wire.message()[2] == b"ok"

    assert seen[0].startswith(b"GET http://plain.example/ HTTP/1.1\r\nhost: h\r\n")
    assert b"Proxy-Authorization: Basic dXNlcjpzZWNyZXQ=\r\n" in seen[0]
