"""The loopback port that waits for the browser's redirect after a login."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

import pytest

from dsops.errors import LoginFailed
from dsops.stores.loopback import LoopbackPort, has_state

PATH = "/oauth/callback"
STATE = "the-state"


class Waiting:
    """A loopback port, and the thread that waits for a request on it."""

    def __init__(self, seconds: float = 10) -> None:
        self.loopback = LoopbackPort(PATH)
        self._pool = ThreadPoolExecutor(1)
        self.answer: Future[Mapping[str, str]] = self._pool.submit(
            lambda: self.loopback.wait(has_state(STATE), seconds).query
        )

    def close(self) -> None:
        """End the wait, if no request has ended it."""
        with suppress(LoginFailed):
            try:
                # A page answered just now ends the wait a moment later.
                self.answer.result(0.2)
            except TimeoutError:
                self.visit(f"{PATH}?state={STATE}&over=1")
        self._pool.shutdown()
        self.loopback.__exit__()

    def connect(self) -> socket.socket:
        """Open a new connection to the port."""
        return socket.create_connection(("127.0.0.1", self.loopback.port), timeout=5)

    def visit(self, target: str, *, method: str = "GET", host: str = "") -> str:
        """Send a browser's request and return the response."""
        host = host or f"127.0.0.1:{self.loopback.port}"
        return self.say(f"{method} {target} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: browser\r\n\r\n")

    def say(self, text: str) -> str:
        """Send any text and return the response."""
        with self.connect() as connection:
            connection.sendall(text.encode("latin-1"))
            answer = b""
            while piece := connection.recv(4096):
                answer += piece
        return answer.decode()


@pytest.fixture
def waiting() -> Iterator[Waiting]:
    """A port that waits for ten seconds."""
    waiting = Waiting()
    yield waiting
    waiting.close()


def test_the_answer_is_what_the_browser_brings(waiting: Waiting) -> None:
    """The login's answer is the decoded query; the page says that the window can be closed and shows no input."""
    page = waiting.visit(f"{PATH}?code=a%2Fb%3D&state={STATE}")
    assert page.startswith("HTTP/1.1 200 ")
    assert "you can close this window" in page
    assert "a/b" not in page
    assert {"code": "a/b=", "state": STATE} == waiting.answer.result(5)


def test_an_error_is_an_answer_too(waiting: Waiting) -> None:
    """If the query contains an error, the wait ends with the reason in that query."""
    waiting.visit(f"{PATH}?error=access_denied&state={STATE}")
    assert "access_denied" == waiting.answer.result(5)["error"]


@pytest.mark.parametrize("query", ["code=a&state=another", "code=a", "", "code=a&state=", "state=th%00&code=a"])
def test_another_logins_window_is_told_so(waiting: Waiting, query: str) -> None:
    """A query with another `state` gets status 400 and is ignored; the wait goes on."""
    page = waiting.visit(f"{PATH}?{query}")
    assert page.startswith("HTTP/1.1 400 ")
    assert "This window belongs to another login" in page
    assert not waiting.answer.done()
    waiting.visit(f"{PATH}?code=ours&state={STATE}")
    assert "ours" == waiting.answer.result(5)["code"]


@pytest.mark.parametrize(
    ("method", "target"),
    [("GET", "/favicon.ico"), ("GET", f"/?code=a&state={STATE}"), ("POST", f"{PATH}?code=a&state={STATE}")],
)
def test_what_is_no_answer_of_a_login_is_not_found(waiting: Waiting, method: str, target: str) -> None:
    """Requests with other paths or methods get status 404."""
    assert waiting.visit(target, method=method).startswith("HTTP/1.1 404 ")
    assert not waiting.answer.done()


def test_a_head_request_decides_nothing(waiting: Waiting) -> None:
    """A HEAD request (a link checker's) does not end the wait."""
    page = waiting.visit(f"{PATH}?code=a&state={STATE}", method="HEAD")
    assert page.endswith("\r\n\r\n")
    assert not waiting.answer.done()


def test_another_name_of_this_machine_is_refused(waiting: Waiting) -> None:
    """A request with another Host header is refused.

    Otherwise a web page could reach the port through its own host name (DNS rebinding).
    """
    assert "There is nothing here" in waiting.visit(f"{PATH}?code=a&state={STATE}", host="evil.example:80")
    assert not waiting.answer.done()
    assert "close this window" in waiting.visit(
        f"{PATH}?code=a&state={STATE}", host=f"localhost:{waiting.loopback.port}"
    )


@pytest.mark.parametrize("text", ["\r\n\r\n", "GET\r\n\r\n", "\x16\x03\x01\x00\r\n\r\n", "GET / HTTP/9\r\n\r\n"])
def test_rubbish_is_answered_and_ignored(waiting: Waiting, text: str) -> None:
    """Malformed input, such as a TLS handshake, gets an error response and does not end the wait."""
    waiting.say(text)
    assert not waiting.answer.done()


def test_more_than_a_browser_says_is_not_read_on(waiting: Waiting) -> None:
    """Only the first 16 kB of a request are read."""
    with waiting.connect() as connection, suppress(ConnectionResetError, BrokenPipeError):
        connection.sendall(b"x" * 64 * 1024)
        assert b"" == connection.recv(1)
    assert not waiting.answer.done()


def test_a_silent_connection_blocks_no_other(waiting: Waiting) -> None:
    """Silent connections and incomplete requests, which browsers open, do not delay the login."""
    with waiting.connect() as silent, waiting.connect() as half:
        half.sendall(b"GET /oauth")
        waiting.visit(f"{PATH}?code=a&state={STATE}")
        assert "a" == waiting.answer.result(5)["code"]
        silent.close()


def test_many_silent_connections_make_room_for_the_one_that_speaks(waiting: Waiting) -> None:
    """If there are too many silent connections, the oldest are closed, so that a new request is served."""
    silent = [waiting.connect() for _ in range(40)]
    waiting.visit(f"{PATH}?code=a&state={STATE}")
    assert "a" == waiting.answer.result(5)["code"]
    for each in silent:
        each.close()


def test_a_request_in_pieces_is_put_together(waiting: Waiting) -> None:
    """A request that arrives in several pieces is assembled."""
    with waiting.connect() as connection:
        rest = f"st: localhost:{waiting.loopback.port}"
        for piece in (f"GET {PATH}?code=a&sta", f"te={STATE} HTTP/1.1\r\nHo", rest, "\r\n\r\n"):
            connection.sendall(piece.encode())
        assert b"200" in connection.recv(100)
    assert "a" == waiting.answer.result(5)["code"]


def test_the_wait_has_an_end() -> None:
    """The wait raises LoginFailed at its timeout."""
    waiting = Waiting(seconds=0.2)
    with pytest.raises(LoginFailed, match="in time"):
        waiting.answer.result(5)
    waiting.close()


def test_only_this_machine_is_listened_to(waiting: Waiting) -> None:
    """The port listens on 127.0.0.1 only."""
    assert f"http://127.0.0.1:{waiting.loopback.port}{PATH}" == waiting.loopback.address


def test_one_connection_too_many_ends_no_login() -> None:
    """A connection above the limit does not end the login.

    The server closes an older connection instead, even one that is sending at that moment.
    """
    connections: list[socket.socket] = []
    with LoopbackPort(PATH) as loopback:

        def connect() -> None:
            connections.append(socket.create_connection(("127.0.0.1", loopback.port), timeout=5))

        def look() -> None:
            if len(connections) == 34:
                answer = f"GET {PATH}?state={STATE} HTTP/1.1\r\nHost: 127.0.0.1:{loopback.port}\r\n\r\n"
                connections[-1].sendall(answer.encode())
            connect()
            if len(connections) == 34:
                connections[0].sendall(b"GET / HTTP/1.1\r\n\r\n")

        connect()
        found = loopback.wait(has_state(STATE), 10, look)
    for connection in connections:
        connection.close()
    assert found.query == {"state": STATE}
