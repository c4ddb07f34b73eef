"""Slow, broken, malicious or many connections: each is answered or closed, and the server keeps serving."""

from __future__ import annotations

import re
import socket
import ssl
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from threading import Event, Thread
from time import time

import pytest

from dsops.request.messages import HttpAnswer, HttpRequest
from dsops.sandbox.control.launch import open_server
from dsops.sandbox.control.running_sandboxes import ask
from dsops.sandbox.control.server import SandboxServer
from dsops.sandbox.http.loop import Loop, most_connections
from dsops.sandbox.seed.model import Seed

HEALTH = b"GET /_sandbox/health HTTP/1.1\r\nHost: localhost\r\n\r\n"
MAX_HEADERS = 65536
NOTHING_ASKED = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Type: a/b\r\n"


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    """A sandbox on a free port of loopback."""
    with open_server(Seed()) as running:
        yield running


@pytest.fixture(autouse=True)
def _goes_on(server: SandboxServer) -> Iterator[None]:
    """Check after every test that the server still answers."""
    yield
    assert ask(server.url, "health")["status"] == "ok"


def connect(server: SandboxServer) -> socket.socket:
    """Return a connection with a timeout of ten seconds."""
    return socket.create_connection(("127.0.0.1", server.port), timeout=10)


def statuses(server: SandboxServer, data: bytes) -> list[str]:
    """Send the bytes and close for writing; return the status lines until the server closes the connection."""
    came = b""
    with connect(server) as connection, suppress(OSError):
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        while chunk := connection.recv(65536):
            came += chunk
    return re.findall(r"HTTP/1\.[01] \d{3} [^\r]*", came.decode("latin-1"))


def test_a_header_with_an_underscore_is_received(server: SandboxServer) -> None:
    """The portal's token header is accepted with underscores; a request with both spellings is refused."""
    head = b"GET /assignment/accounts HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    token = b"x-amz-sso_bearer_token: x\r\n"
    assert statuses(server, head + token + b"\r\n") == ["HTTP/1.1 401 Unauthorized"]
    assert statuses(server, head + token.upper() + token.replace(b"_", b"-") + b"\r\n") == ["HTTP/1.1 401 Unauthorized"]
    assert statuses(server, head + b"x-other_token: x\r\n\r\n") == ["HTTP/1.1 403 Forbidden"]


def look_over(server: SandboxServer, seconds: float) -> None:
    """Run the server's periodic check of connections, as if that many seconds had passed."""
    done = Event()

    def look() -> None:
        server._loop.maintenance(time() + seconds)
        done.set()

    server._loop.call(look)
    assert done.wait(10)


def is_open(connection: socket.socket) -> bool:
    """Whether the server answers a request on the connection."""
    try:
        connection.sendall(HEALTH)
        came = b""
        while not came.endswith(b"}\n") and (chunk := connection.recv(65536)):
            came += chunk
    except ConnectionError:
        return False
    return came.startswith(b"HTTP/1.1 200 ")


# --- slow clients ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("begun", [b"POST / HT", NOTHING_ASKED, NOTHING_ASKED + b"Content-Length: 9\r\n\r\nabc"])
def test_an_incomplete_request_times_out(server: SandboxServer, begun: bytes) -> None:
    """An incomplete request is closed after a minute, even if single bytes keep coming."""
    with connect(server) as connection:
        connection.sendall(begun)
        ask(server.url, "health")
        connection.sendall(b"a")
        ask(server.url, "health")

        look_over(server, 61)

        assert connection.recv(100) == b""


def test_a_slow_request_is_served(server: SandboxServer) -> None:
    """A request that completes within the minute is answered."""
    with connect(server) as connection:
        connection.sendall(HEALTH[:20])
        ask(server.url, "health")

        look_over(server, 50)

        connection.sendall(HEALTH[20:])
        assert connection.recv(15) == b"HTTP/1.1 200 OK"


def test_an_idle_connection_is_kept_for_two_minutes(server: SandboxServer) -> None:
    """An idle connection stays open for two minutes between requests."""
    with connect(server) as connection:
        assert is_open(connection)
        look_over(server, 100)
        assert is_open(connection)
        look_over(server, 130)
        assert not is_open(connection)


def test_an_idle_client_does_not_block_others(server: SandboxServer) -> None:
    """A hundred idle or incomplete connections do not block other clients."""
    with ExitStack() as stack:
        for number in range(100):
            connection = stack.enter_context(connect(server))
            if number % 2:
                connection.sendall(HEALTH[: number // 2])
        assert ask(server.url, "health")["status"] == "ok"


# --- clients that break the protocol ---------------------------------------------------------------------------


def test_requests_in_one_piece_are_answered_in_order(server: SandboxServer) -> None:
    """Pipelined requests are answered in order, even with a body in the middle and an incomplete last request."""
    post = NOTHING_ASKED + b"Content-Length: 5\r\n\r\nhello"

    assert statuses(server, HEALTH + post + HEALTH + b"GET / HT") == [
        "HTTP/1.1 200 OK",
        "HTTP/1.1 302 Found",
        "HTTP/1.1 200 OK",
    ]


def test_http_1_0_is_served(server: SandboxServer) -> None:
    """An HTTP/1.0 connection is closed after the response, unless the client asks to keep it open."""
    old = HEALTH.replace(b"HTTP/1.1", b"HTTP/1.0")
    kept = old.replace(b"\r\n\r\n", b"\r\nConnection: keep-alive\r\n\r\n")

    assert statuses(server, old + old) == ["HTTP/1.0 200 OK"]
    assert statuses(server, kept + kept) == ["HTTP/1.0 200 OK"] * 2


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"a" * MAX_HEADERS,
        b"GET / HTTP/1.1\r\nHost: h\r\n" + b"a: b\r\n" * (MAX_HEADERS // 6),
        b"GET /" + b"a" * MAX_HEADERS,
    ],
)
def test_too_large_headers_are_refused(server: SandboxServer, head: bytes) -> None:
    """Headers above 64 KiB get a 431, and the connection is closed."""
    # Send exactly the limit: unread bytes at close would cause a TCP reset, which may overtake the response.
    assert statuses(server, head[:MAX_HEADERS]) == ["HTTP/1.0 431 Request Header Fields Too Large"]
    assert statuses(server, head[: MAX_HEADERS - 10]) == []


@pytest.mark.parametrize(
    ("chunks", "answered"),
    [
        (b"5\r\nhello\r\n0\r\n\r\n", "302 Found"),
        (b"zz\r\nhello\r\n0\r\n\r\n", "400 Bad Request"),
        (b"-5\r\nhello\r\n0\r\n\r\n", "400 Bad Request"),
        (b"5\r\nhelloworld\r\n0\r\n\r\n", "400 Bad Request"),
        (b"0x5\r\nhello\r\n0\r\n\r\n", "400 Bad Request"),
    ],
)
def test_an_invalid_chunked_body_is_refused(server: SandboxServer, chunks: bytes, answered: str) -> None:
    """A chunked body with an invalid chunk size is refused."""
    request = NOTHING_ASKED + b"Transfer-Encoding: chunked\r\n\r\n" + chunks

    assert statuses(server, request) == [f"HTTP/1.1 {answered}"]


@pytest.mark.parametrize(
    ("framing", "answered"),
    [
        (b"Content-Length: 5\r\nContent-Length: 6\r\n", "400 Bad Request"),
        (b"Content-Length: +5\r\n", "400 Bad Request"),
        (b"Content-Length: -1\r\n", "400 Bad Request"),
        (b"Transfer-Encoding: gzip\r\n", "501 Not Implemented"),
    ],
)
def test_ambiguous_content_lengths_are_refused(server: SandboxServer, framing: bytes, answered: str) -> None:
    """A request with conflicting or malformed Content-Length headers is refused (request smuggling)."""
    assert statuses(server, NOTHING_ASKED + framing + b"\r\nhello") == [f"HTTP/1.1 {answered}"]


def test_a_request_inside_a_body_is_not_served(server: SandboxServer) -> None:
    """If a request has Content-Length and chunks, bytes after its last chunk are not served as a request.

    This prevents request smuggling.
    """
    both = NOTHING_ASKED + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HEALTH

    assert "HTTP/1.1 200 OK" not in statuses(server, both)[:1]


def test_a_disconnected_client_is_dropped(server: SandboxServer) -> None:
    """When a client disconnects at any point, even with a reset, the server drops the connection's state."""
    for begun in (b"", b"POST / HT", NOTHING_ASKED + b"Content-Length: 99\r\n\r\nabc", HEALTH * 50):
        for reset in (False, True):
            connection = connect(server)
            if reset:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.sendall(begun)
            connection.close()

    ask(server.url, "health")
    look_over(server, 0)
    # The connection that `ask` used may still be closing.
    assert len(server._loop.connections) <= 1


def test_a_client_that_does_not_read_is_not_read_from(server: SandboxServer) -> None:
    """The server stops reading from a client that does not read responses, and serves other clients."""
    sent = 0
    with connect(server) as connection:
        connection.settimeout(0.2)
        with suppress(TimeoutError):
            while sent < 1_000_000_000:
                sent += connection.send(HEALTH * 1000)
        assert sent < 1_000_000_000
        assert ask(server.url, "health")["status"] == "ok"


# --- many connections ------------------------------------------------------------------------------------------


def test_connections_are_limited_by_file_descriptors() -> None:
    """The connection limit leaves file descriptors free, since without a free one every accept fails."""
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)

    assert 16 <= most_connections() <= max(16, soft - 128)


@contextmanager
def looping(respond: Callable[[HttpRequest], HttpAnswer]) -> Iterator[tuple[str, int]]:
    """Run a loop that answers with this function; yields its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    loop = Loop(respond, listener, 1000)
    thread = Thread(target=loop.run, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()
    finally:
        loop.end()
        thread.join(10)
        loop.close()


def test_a_request_waits_until_the_previous_answer_is_sent() -> None:
    """A pipelined request is handled only when the previous answer was sent, so unread answers do not accumulate."""
    size, asked = 20_000_000, []

    def respond(request: HttpRequest) -> HttpAnswer:
        asked.append(request.path)
        return HttpAnswer(200, (("Content-Length", str(size)),), request.path[-1:].encode() * size)

    with looping(respond) as address, socket.create_connection(address, timeout=10) as connection:
        connection.sendall(b"".join(b"GET /%d HTTP/1.1\r\nHost: h\r\n\r\n" % number for number in range(3)))
        came = bytearray(connection.recv(65536))
        assert asked == ["/0"]
        whole = came.index(b"\r\n\r\n") + 4 + size
        while len(came) < 3 * whole:
            part = connection.recv(1 << 20)
            assert part
            came += part

    assert asked == ["/0", "/1", "/2"]
    assert [came[start + whole - size :][:size] for start in (0, whole, 2 * whole)] == [
        b"0" * size,
        b"1" * size,
        b"2" * size,
    ]


def test_many_requests_in_one_piece_do_not_block_others() -> None:
    """Between the pipelined requests of one client, the requests of other clients are handled."""
    asked, both_sent = [], Event()

    def respond(request: HttpRequest) -> HttpAnswer:
        asked.append(request.path)
        both_sent.wait(10)
        return HttpAnswer(200, (("Content-Length", "0"),), b"")

    with looping(respond) as address, ExitStack() as stack:
        first, second = (stack.enter_context(socket.create_connection(address, timeout=10)) for _ in range(2))
        first.sendall(b"GET /first HTTP/1.1\r\nHost: h\r\n\r\n" * 500)
        second.sendall(b"GET /second HTTP/1.1\r\nHost: h\r\n\r\n")
        both_sent.set()
        assert second.recv(65536).startswith(b"HTTP/1.1 200 ")
        came = b""
        while came.count(b"200 OK") < 500:
            part = first.recv(65536)
            assert part
            came += part

    assert asked.count("/first") == 500
    assert asked.index("/second") < 100


def test_a_split_request_is_read_whole() -> None:
    """A request whose head and body arrive in many pieces is the same request, and the next request is not lost."""
    bodies: list[bytes] = []

    def respond(request: HttpRequest) -> HttpAnswer:
        bodies.append(request.body)
        return HttpAnswer(200, (("Content-Length", "0"),), b"")

    request = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nsome body"
    with looping(respond) as address, socket.create_connection(address, timeout=10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for number in range(len(request)):
            connection.sendall(request[number : number + 1])
        connection.sendall(request + request[:-4])
        connection.sendall(request[-4:])
        came = b""
        while came.count(b"200 OK") < 3:
            part = connection.recv(65536)
            assert part
            came += part

    assert bodies == [b"some body"] * 3


def test_above_the_limit_no_connection_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the maximum of connections, the next client waits until another client disconnects."""
    monkeypatch.setattr("dsops.sandbox.http.loop.most_connections", lambda: 2)
    answer = HttpAnswer(200, (("Content-Length", "2"),), b"}\n")
    with looping(lambda _: answer) as address, ExitStack() as stack:
        first, second = (stack.enter_context(socket.create_connection(address, timeout=10)) for _ in range(2))
        assert is_open(first)
        assert is_open(second)
        third = stack.enter_context(socket.create_connection(address, timeout=10))
        third.sendall(HEALTH)
        third.settimeout(0.3)
        with pytest.raises(TimeoutError):
            third.recv(65536)
        first.close()
        third.settimeout(10)
        assert third.recv(65536).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("ending", ["\r\nSet-Cookie: a=b", "\n", "\r"])
def test_a_line_break_in_a_response_header_is_refused(ending: str) -> None:
    """A line break in a response header gives a 500 instead of an injected header."""
    values = iter([f"x{ending}", "x"])

    def respond(_: HttpRequest) -> HttpAnswer:
        return HttpAnswer(200, (("X-Sent", next(values)), ("Content-Length", "0")), b"")

    answers = []
    with looping(respond) as address:
        for _ in range(2):
            with socket.create_connection(address, timeout=10) as connection:
                connection.sendall(HEALTH)
                answers.append(connection.recv(65536))
    assert [answer[9:12] for answer in answers] == [b"500", b"200"]
    assert b"Set-Cookie" not in answers[0]


def test_a_tls_client_gets_an_error_at_once(server: SandboxServer) -> None:
    """A TLS handshake on the plain HTTP port fails at once instead of waiting for a minute."""
    context = ssl.create_default_context()
    with connect(server) as connection, pytest.raises(ssl.SSLError, match=r"(?i)wrong.version.number|record layer"):
        context.wrap_socket(connection, server_hostname="localhost")


def test_tls_bytes_inside_a_body_are_allowed(server: SandboxServer) -> None:
    """The bytes of a TLS handshake inside a body are ordinary content."""
    with connect(server) as connection:
        connection.sendall(NOTHING_ASKED + b"Expect: 100-continue\r\nContent-Length: 4\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"\x16\x03\x01\x00")
        assert connection.recv(65536).startswith(b"HTTP/1.1 302 ")
        connection.sendall(HEALTH)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
