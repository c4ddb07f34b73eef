"""The container-credentials endpoint: access to a session, and clients that cannot block others."""

from __future__ import annotations

import contextlib
import json
import resource
import select
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPResponse
from time import monotonic

import pytest

from dsops.agent import credential_endpoint
from dsops.agent.credential_endpoint import CredentialEndpoint
from dsops.credentials import Credentials
from dsops.errors import DsopsError, Unreachable, UsageError
from dsops.secret import Secret
from tests.children import SECONDS

SESSION = Credentials(
    "ASIAEXAMPLE",
    Secret("hush-key"),
    Secret("hush-token"),
    datetime(2026, 11, 24, 13, tzinfo=UTC),
    arn="arn:aws:sts::111122223333:assumed-role/Target/session",
)


class Source:
    """A session that the test can withdraw and restore."""

    def __init__(self) -> None:
        self.current: Credentials | None = SESSION
        self.is_under_way = False
        self.failure: DsopsError | None = None
        self.hurried = 0

    def hurry(self) -> None:
        """Count the request for a renewal."""
        self.hurried += 1


class Server:
    """A running endpoint, driven as the command's loop drives it."""

    def __init__(self, endpoint: CredentialEndpoint, source: Source) -> None:
        self.endpoint = endpoint
        self.source = source
        self.host, _, port = endpoint.address.removeprefix("http://").partition("/")[0].rpartition(":")
        self.port = int(port)
        self._is_over = False
        self.turns = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while not self._is_over:
            wait = self.endpoint.seconds()
            found = select.select(
                list(self.endpoint.readers()),
                list(self.endpoint.writers()),
                [],
                0.02 if wait is None else min(wait, 0.02),
            )
            self.endpoint.turn({*found[0], *found[1]})
            self.turns += 1

    def stop(self) -> None:
        """Stop the endpoint, as the command does."""
        self._is_over = True
        self._thread.join(timeout=SECONDS)
        self.endpoint.end()

    def raw(self, data: bytes) -> bytes:
        """Return the complete response to these bytes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            connection.sendall(data)
            answer = b""
            with contextlib.suppress(ConnectionResetError):
                while piece := connection.recv(4096):
                    answer += piece
            return answer

    def ask(self, method: str = "GET", path: str = "/credentials", **headers: str) -> tuple[int, dict[str, str]]:
        """Return the status and content of a response, by default for the correct token."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        given = {"Authorization": self.endpoint.token.reveal(), **headers}
        connection.request(method, path, headers={name: value for name, value in given.items() if value})
        response: HTTPResponse = connection.getresponse()
        content = response.read()
        connection.close()
        return response.status, json.loads(content) if content else {}


@pytest.fixture
def server() -> Iterator[Server]:
    """A running endpoint on loopback."""
    source = Source()
    server = Server(CredentialEndpoint(source), source)
    yield server
    server.stop()


def test_the_holder_of_the_token_gets_the_session(server: Server) -> None:
    """A client with the token gets the session in the SDKs' format, with the account taken from the ARN."""
    assert server.ask() == (
        200,
        {
            "AccessKeyId": "ASIAEXAMPLE",
            "SecretAccessKey": "hush-key",
            "Token": "hush-token",
            "Expiration": "2026-11-24T13:00:00Z",
            "AccountId": "111122223333",
        },
    )


@pytest.mark.parametrize("token", ["", "wrong", "Bearer {}", "{}0", "x{}"])
def test_a_wrong_token_is_refused(server: Server, token: str) -> None:
    """The endpoint refuses a request without the token, with another token or with a similar one."""
    status, content = server.ask(Authorization=token.format(server.endpoint.token.reveal()))
    assert status == 401
    assert "hush" not in json.dumps(content)
    assert server.endpoint.token.reveal() not in json.dumps(content)


def test_tokens_are_random_and_never_shown() -> None:
    """Each command's token is random, has 256 bits and is never shown."""
    endpoints = [CredentialEndpoint(Source()) for _ in range(2)]
    tokens = {endpoint.token.reveal() for endpoint in endpoints}
    assert [len(token) for token in tokens] == [64, 64]
    assert "***" in repr(endpoints[0].token)
    for endpoint in endpoints:
        endpoint.end()


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "0.0.0.0:{port}"])
def test_a_name_that_leads_here_is_refused(server: Server, host: str) -> None:
    """A request with a foreign host name is refused, because a web page could send it by DNS rebinding."""
    assert server.ask(Host=host.format(port=server.port))[0] == 403
    assert server.ask(Host=f"localhost:{server.port}")[0] == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "HEAD", "DELETE", "OPTIONS", "get"])
def test_only_get_is_answered(server: Server, method: str) -> None:
    """Methods other than GET are refused, because a web page's form sends POST."""
    request = (
        f"{method} /credentials HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
        f"Authorization: {server.endpoint.token.reveal()}\r\n\r\n"
    )
    assert server.raw(request.encode()).startswith(b"HTTP/1.1 405 ")


def test_there_is_one_path(server: Server) -> None:
    """The endpoint serves one path only and ignores a query string."""
    assert server.ask(path="/")[0] == 404
    assert server.ask(path="/credentials/x")[0] == 404
    assert server.ask(path="/credentials?role=x")[0] == 200


@pytest.mark.parametrize(
    ("request_text", "status"),
    [
        (b"\r\n\r\n", 400),
        (b"GET /credentials\r\n\r\n", 400),
        (b"GET /credentials HTTP/2\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"GET /credentials HTTP/1.1\r\nnonsense\r\n\r\n", 400),
        (b"GET /credentials HTTP/1.1\r\nHost: HOST\r\nHost: HOST\r\nAuthorization: TOKEN\r\n\r\n", 400),
        (b"GET /credentials HTTP/1.1\r\nHost: HOST\r\nAuthorization: TOKEN\r\nAuthorization: x\r\n\r\n", 400),
        (b"GET /credentials HTTP/1.1\r\nHost: HOST\r\nAuthorization : TOKEN\r\n\r\n", 400),
        (b"GET /credentials HTTP/1.1\r\nAuthorization: TOKEN\r\n\r\n", 403),
        (b"GET /credentials HTTP/1.1\r\nHost: HOST\r\nAuthorization: \xff\xfe\r\n\r\n", 401),
        (b"GET /" + b"x" * 9000, 431),
        (b"GET /credentials HTTP/1.1\r\nX: " + b"x" * 9000 + b"\r\n\r\n", 431),
    ],
)
def test_garbage_is_refused_and_the_next_one_is_served(server: Server, request_text: bytes, status: int) -> None:
    """Malformed requests get an error status and no session, and the next request is answered."""
    text = request_text.replace(b"HOST", f"127.0.0.1:{server.port}".encode())
    answer = server.raw(text.replace(b"TOKEN", server.endpoint.token.reveal_bytes()))
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"hush" not in answer
    assert server.ask()[0] == 200


def test_a_request_may_come_byte_by_byte(server: Server) -> None:
    """A request that arrives in pieces is assembled."""
    request = (
        f"GET /credentials HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
        f"Authorization: {server.endpoint.token.reveal()}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in request.encode():
            connection.sendall(bytes([byte]))
        assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")


def test_silent_clients_do_not_block_others(server: Server) -> None:
    """With three hundred silent or incomplete connections, the oldest are closed so that other clients are served."""
    silent = [socket.create_connection(("127.0.0.1", server.port), timeout=20) for _ in range(300)]
    for number, connection in enumerate(silent):
        if number % 2:
            with contextlib.suppress(OSError):
                connection.sendall(b"GET /credentials HTTP/1.1\r\nHost: ")
    began = monotonic()
    assert [server.ask()[0] for _ in range(20)] == [200] * 20
    assert monotonic() - began < 20
    assert len(server.endpoint._clients) <= 256
    for connection in silent:
        connection.close()


def test_a_client_that_never_reads_does_not_block_others(server: Server) -> None:
    """A client that stops reading its response does not block others."""
    deaf = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    deaf.sendall(b"GET / HTTP/1.1\r\n\r\n" * 100)
    assert server.ask()[0] == 200
    deaf.close()
    assert server.ask()[0] == 200


def test_a_connection_lasts_ten_seconds() -> None:
    """A connection is closed after ten seconds by the loop's clock; the client has to connect again."""
    time = [0.0]
    endpoint = CredentialEndpoint(Source(), clock=lambda: time[0])
    with socket.create_connection(endpoint._listener.getsockname(), timeout=20) as connection:
        select.select(list(endpoint.readers()), [], [], 20)
        endpoint.turn(list(endpoint.readers()))
        assert endpoint.seconds() == 10
        time[0] = 10.0
        endpoint.turn(())
        assert connection.recv(1) == b""
        assert endpoint.seconds() is None
    endpoint.end()


def test_without_a_free_descriptor_the_loop_sleeps() -> None:
    """If no file descriptor is free, the loop pauses for a second instead of spinning."""
    time = [0.0]
    endpoint = CredentialEndpoint(Source(), clock=lambda: time[0])
    listener = endpoint._listener.fileno()
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.create_connection(endpoint._listener.getsockname(), timeout=20):
        select.select([listener], [], [], 20)
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
        try:
            endpoint.turn([listener])
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        assert (list(endpoint.readers()), endpoint.seconds()) == ([], 1)
        time[0] = 1.0
        assert list(endpoint.readers()) == [listener]
        endpoint.turn([listener])
        assert len(endpoint._clients) == 1
    endpoint.end()


def test_a_request_during_a_renewal_waits_for_it(server: Server) -> None:
    """A request after the session's end (the laptop slept) waits for the renewal and gets the new session."""
    server.source.current, server.source.is_under_way = None, True
    threading.Timer(0.2, lambda: setattr(server.source, "current", SESSION)).start()
    status, content = server.ask()
    assert (status, content["AccessKeyId"]) == (200, "ASIAEXAMPLE")
    assert server.source.hurried


def test_two_hundred_requests_during_a_renewal_all_wait() -> None:
    """Two hundred requests that wait for a renewal are all answered, despite connections that stay silent."""
    source = Source()
    source.current, source.is_under_way = None, True
    server = Server(CredentialEndpoint(source, clock=lambda: 0.0), source)  # a clock that stands still: no timeouts
    asking = (
        f"GET /credentials HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
        f"Authorization: {server.endpoint.token.reveal()}\r\n\r\n"
    ).encode()
    with contextlib.ExitStack() as stack:
        clients = []
        for _ in range(200):
            one = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=20))
            one.sendall(asking)
            clients.append(one)
        for _ in range(100):
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=20))
        source.current = SESSION
        assert [client.recv(12) for client in clients] == [b"HTTP/1.1 200"] * 200
    server.stop()


def test_a_request_waits_no_longer_than_its_sdk(server: Server) -> None:
    """A waiting request gets 503 with the reason before its SDK times out (after 2 s in botocore)."""
    server.source.current, server.source.failure = None, Unreachable("STS is not reachable")
    server.source.is_under_way = True
    began = monotonic()
    status, content = server.ask()
    assert (status, monotonic() - began > 1.5) == (503, True)
    assert "STS is not reachable" in content["message"]
    assert credential_endpoint._PATIENCE_SECONDS < 2


def test_a_request_without_a_renewal_does_not_wait() -> None:
    """If no renewal is running, a request gets 503 at once: here no time passes, so a waiting request would hang."""
    source = Source()
    source.current, source.failure = None, Unreachable("STS is not reachable")
    server = Server(CredentialEndpoint(source, clock=lambda: 0.0), source)
    assert server.ask()[0] == 503
    server.stop()


def test_waiting_costs_no_processor_time(server: Server) -> None:
    """A waiting request or an idle endpoint uses no processor time: the loop wakes only for an event."""
    server.source.current, server.source.is_under_way = None, True
    before = server.turns
    server.ask()
    assert server.turns - before < 200  # 1.8 s of checks, one every 20 ms


def test_the_end_frees_the_port_and_closes_connections(server: Server) -> None:
    """If the endpoint is stopped, it closes open connections and frees its port."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        server.stop()
        assert connection.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), timeout=20)


def test_it_listens_on_loopback_only(server: Server) -> None:
    """The endpoint listens on loopback only, so it cannot be reached from the network."""
    assert server.endpoint._listener.getsockname()[0] == "127.0.0.1"
    assert server.endpoint.address == f"http://127.0.0.1:{server.port}/credentials"


def test_another_address_has_to_be_this_machines() -> None:
    """The requested address must belong to this machine and its port must be free.

    An IPv6 address is put in brackets.
    """
    with pytest.raises(UsageError, match=r"can't listen on 192\.0\.2\.1"):
        CredentialEndpoint(Source(), address="192.0.2.1")
    six = CredentialEndpoint(Source(), address="::1")
    assert six.address.startswith("http://[::1]:")
    port = int(six.address.rpartition(":")[2].partition("/")[0])
    with pytest.raises(UsageError, match=f"can't listen on ::1 port {port}"):
        CredentialEndpoint(Source(), address="::1", port=port)
    six.end()
