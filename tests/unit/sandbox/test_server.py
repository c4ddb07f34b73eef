"""The sandbox on a port: what stands on the wire, how it starts and ends, what it survives."""

from __future__ import annotations

import http.client
import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from dsops.errors import SandboxUnavailable
from dsops.runtime import empty_file
from dsops.sandbox.control.client import client_environment
from dsops.sandbox.control.launch import identity_variables, open_server
from dsops.sandbox.control.running_sandboxes import Announcement, ask, find_running, tell
from dsops.sandbox.control.server import SandboxServer
from dsops.sandbox.control.service import Sandbox
from dsops.sandbox.control.setup import plant
from dsops.sandbox.seed.model import Seed, SeedAccount, SeedUser
from tests.sandboxes import ACCOUNT, Keys, sign

SEED = Seed((SeedAccount(ACCOUNT, users=(SeedUser("alice"),)), SeedAccount("222222222222")))
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
IDENTITY = b"Action=GetCallerIdentity&Version=2011-06-15"


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    """Two accounts and alice, on a free port of loopback."""
    with open_server(SEED) as running:
        yield running


def exchange(server: SandboxServer, data: bytes) -> bytes:
    """What comes back for these very bytes, until the server closes or has had enough."""
    answer = b""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection, suppress(OSError):
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        while chunk := connection.recv(65536):
            answer += chunk
    return answer


def alice(server: SandboxServer) -> Keys:
    """Her keys."""
    variables = identity_variables(server, "alice")
    return Keys(access_key_id=variables["AWS_ACCESS_KEY_ID"], secret_access_key=variables["AWS_SECRET_ACCESS_KEY"])


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: Mapping[str, str]
    text: str


def fetch(
    server: SandboxServer, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> Answer:
    """The answer to one request on a connection of its own."""
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)) as connection:
        connection.request(method, path, body, dict(headers or {}))
        answer = connection.getresponse()
        return Answer(answer.status, dict(answer.headers), answer.read().decode())


def post(server: SandboxServer, body: bytes = IDENTITY, keys: Keys | None = None) -> Answer:
    """The answer to a signed POST."""
    request = sign(keys or alice(server), "sts", "us-east-1", "POST", "/", FORM, body)
    return fetch(server, "POST", "/", body, request.headers)


def test_health_is_answered_when_it_is_ready(server: SandboxServer) -> None:
    """200 at once: the port is open only when everything is there."""
    assert ask(server.url, "health")["status"] == "ok"


def test_it_listens_on_loopback_only(server: SandboxServer) -> None:
    """127.0.0.1 and no other address of this machine."""
    assert server.host == "127.0.0.1"
    assert server.url == f"http://127.0.0.1:{server.port}"
    assert server._loop.socket.getsockname()[0] == "127.0.0.1"


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_it_listens_on_ipv6_when_told() -> None:
    """The address is written in brackets."""
    try:
        running = open_server(SEED, host="::1")
    except SandboxUnavailable as error:
        pytest.skip(error.why)
    with running:
        assert running.url == f"http://[::1]:{running.port}"
        assert ask(running.url, "health")["status"] == "ok"


def test_an_answer_has_awss_headers(server: SandboxServer) -> None:
    """Content type, both request ids, a date."""
    answer = post(server)

    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/xml"
    assert answer.headers["x-amzn-RequestId"] in answer.text
    assert answer.headers["x-amz-sts-extended-request-id"]
    assert answer.headers["Date"]
    assert f"<Arn>arn:aws:iam::{ACCOUNT}:user/alice</Arn>" in answer.text


def test_a_body_that_is_too_large_is_a_413(server: SandboxServer) -> None:
    """Ten million bytes are taken, one more is not; the server goes on."""
    request = b"POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Type: a/b\r\nContent-Length: %d\r\n\r\n"

    assert exchange(server, request % 10_000_000 + b"a" * 10_000_000).startswith(b"HTTP/1.1 302 ")
    assert exchange(server, request % 10_000_001 + b"a" * 10_000_001).startswith(b"HTTP/1.1 413 ")
    assert post(server).status == 200


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST / HTTP/1.1\r\nHost: h\r\nAuthorization: \xff\xfe\r\nContent-Length: 0\r\n\r\n",
        b"GET /%zz?%zz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        b"A" * 300_000,
    ],
)
def test_rubbish_is_survived(server: SandboxServer, data: bytes) -> None:
    """No 5xx, and the next request is served."""
    answer = exchange(server, data)

    assert b"HTTP/1.1 5" not in answer
    assert b"HTTP/1.0 5" not in answer
    assert post(server).status == 200


def test_a_bug_is_awss_internal_failure(
    server: SandboxServer, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """500 to the client, the traceback on stderr, and it goes on serving."""

    def broken(_: object) -> None:
        raise RuntimeError("a bug")

    keys = alice(server)
    with monkeypatch.context() as patched:
        patched.setattr(server.sandbox, "handle", broken)
        answer = post(server, keys=keys)

    assert answer.status == 500
    assert "<Code>InternalFailure</Code>" in answer.text
    assert "RuntimeError: a bug" in capfd.readouterr().err
    assert post(server, keys=keys).status == 200


def test_a_port_that_is_taken_is_said(server: SandboxServer) -> None:
    """With what to do."""
    with pytest.raises(SandboxUnavailable) as caught:
        SandboxServer(server.sandbox, port=server.port)

    assert caught.value.message == f"the sandbox can't listen on 127.0.0.1:{server.port}"
    assert "--port" in caught.value.hint


@pytest.mark.parametrize(
    ("host", "port", "why", "flag"),
    [
        ("127.0.0.1", 65536, "the highest is 65535", "--port"),
        ("192.0.2.1", 0, "this machine does not have that address", "--host"),
    ],
)
def test_where_it_can_not_listen_is_said(server: SandboxServer, host: str, port: int, why: str, flag: str) -> None:
    """With the flag to change."""
    with pytest.raises(SandboxUnavailable) as caught:
        SandboxServer(server.sandbox, host=host, port=port)

    assert caught.value.why == why
    assert flag in caught.value.hint


def test_the_port_is_free_again_after_it() -> None:
    """Also with a connection still open."""
    with open_server(SEED) as first:
        connection = http.client.HTTPConnection("127.0.0.1", first.port, timeout=10)
        connection.request("GET", "/_sandbox/health")
        connection.getresponse().read()
        port = first.port
    connection.close()
    sandbox = Sandbox()
    plant(sandbox, SEED)
    with SandboxServer(sandbox, port=port) as second:
        assert ask(second.url, "health")["status"] == "ok"


def test_many_clients_at_once_are_served(server: SandboxServer) -> None:
    """Sixteen threads, each with a connection; moto alone fails at eight."""
    from concurrent.futures import ThreadPoolExecutor

    keys = alice(server)

    def work(_: int) -> set[int]:
        return {post(server, keys=keys).status for _ in range(8)}

    with ThreadPoolExecutor(16) as pool:
        assert set().union(*pool.map(work, range(16))) == {200}


# --- what a client is given -----------------------------------------------------------------------------------


def test_a_clients_environment_leads_to_the_sandbox_and_nowhere_else(server: SandboxServer) -> None:
    """Rival variables are gone, its own settings stay, no proxy is between."""
    inherited = {
        "PATH": "/bin",
        "AWS_PROFILE": "prod",
        "AWS_SESSION_TOKEN": "t",
        "AWS_WEB_IDENTITY_TOKEN_FILE": "f",
        "AWS_ENDPOINT_URL_STS": "https://sts.example",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": "u",
        "AWS_PAGER": "less",
        "AWS_MAX_ATTEMPTS": "3",
        "HTTPS_PROXY": "http://proxy:1",
        "no_proxy": "x",
    }

    child = client_environment(inherited, identity_variables(server, "alice"))

    keys = alice(server)
    assert {name: value for name, value in child.items() if name.startswith("AWS_")} == {
        "AWS_ENDPOINT_URL": server.url,
        "AWS_ENDPOINT_URL_STS": server.url,
        "AWS_ENDPOINT_URL_SSO": server.url,
        "AWS_ENDPOINT_URL_SSO_OIDC": server.url,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": keys.access_key_id,
        "AWS_SECRET_ACCESS_KEY": keys.secret_access_key,
        "AWS_SHARED_CREDENTIALS_FILE": empty_file(),
        "AWS_CONFIG_FILE": empty_file(),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_PAGER": "less",
        "AWS_MAX_ATTEMPTS": "3",
    }
    assert child["PATH"] == "/bin"
    assert child["no_proxy"] == "x,127.0.0.1,localhost"
    assert child["NO_PROXY"] == "127.0.0.1,localhost"


def test_a_user_who_is_not_there_has_no_keys(server: SandboxServer) -> None:
    """The name is told, and how one is written."""
    with pytest.raises(SandboxUnavailable, match="no user `mallory`"):
        identity_variables(server, "mallory")
    assert identity_variables(server, "admin@222222222222")["AWS_ACCESS_KEY_ID"]


# --- finding one that runs -------------------------------------------------------------------------------------


def test_a_running_sandbox_is_found(server: SandboxServer, tmp_path: Path) -> None:
    """By its announcement, by its port, by AWS_ENDPOINT_URL; not after it was withdrawn."""
    environ = {"XDG_RUNTIME_DIR": str(tmp_path)}
    announcement = Announcement(server.url, environ)

    assert find_running(None, environ) == server.url
    announcement.withdraw()
    assert find_running(server.port, {}) == server.url
    assert find_running(None, {**environ, "AWS_ENDPOINT_URL": server.url}) == server.url
    with pytest.raises(SandboxUnavailable, match="no sandbox is running"):
        find_running(None, environ)
    announcement.withdraw()


def test_the_announcement_is_the_users_own(server: SandboxServer, tmp_path: Path) -> None:
    """A private folder and file that hold no key; a folder of somebody else's is not used."""
    environ = {"XDG_RUNTIME_DIR": str(tmp_path)}
    Announcement(server.url, environ)

    (path,) = (tmp_path / "dsops").iterdir()
    assert path.read_text() == server.url
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    path.parent.chmod(0o777)
    with pytest.raises(SandboxUnavailable):
        find_running(None, environ)


def test_where_nothing_can_be_written_nobody_is_told(server: SandboxServer) -> None:
    """As in a container that may only read; it serves, and is found by its port."""
    environ = {"XDG_RUNTIME_DIR": os.devnull}
    announcement = Announcement(server.url, environ)

    assert find_running(server.port, environ) == server.url
    with pytest.raises(SandboxUnavailable, match="no sandbox is running"):
        find_running(None, environ)
    announcement.withdraw()


def test_a_sandbox_that_is_gone_is_passed_over(server: SandboxServer, tmp_path: Path) -> None:
    """A file that a killed one left behind."""
    environ = {"XDG_RUNTIME_DIR": str(tmp_path)}
    Announcement("http://127.0.0.1:1", environ)
    Announcement(server.url, environ)

    assert find_running(None, environ) == server.url


def test_of_several_one_must_be_named(server: SandboxServer, tmp_path: Path) -> None:
    """The ports are told."""
    environ = {"XDG_RUNTIME_DIR": str(tmp_path)}
    folder = tmp_path / "dsops"
    Announcement(server.url, environ)
    (folder / "sandbox-again").write_text(server.url)

    with pytest.raises(SandboxUnavailable) as caught:
        find_running(None, environ)
    assert str(server.port) in caught.value.hint


def test_its_endpoints_can_be_asked_and_told(server: SandboxServer) -> None:
    """Also what they refuse."""
    before = server.sandbox.clock.now()

    assert tell(server.url, "clock", {"advance_seconds": 3600})["status"] == "ok"
    assert server.sandbox.clock.now() >= before + 3600
    with pytest.raises(SandboxUnavailable) as caught:
        ask(server.url, "totp", serial="none")
    assert caught.value.why == "there is no MFA device none"
    with pytest.raises(SandboxUnavailable, match="no sandbox answers"):
        ask("http://127.0.0.1:1", "health")


def test_what_answers_rubbish_is_no_sandbox() -> None:
    """Another program on that port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        from threading import Thread

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"HTTP/1.0 200 OK\r\n\r\nhello")

        thread = Thread(target=serve)
        thread.start()
        with pytest.raises(SandboxUnavailable, match="no sandbox answers"):
            ask(f"http://127.0.0.1:{listener.getsockname()[1]}", "health")
        thread.join()


def test_the_wire_is_json(server: SandboxServer) -> None:
    """The sandbox's own answers are one JSON object."""
    assert set(json.loads(fetch(server, "GET", "/_sandbox/clock").text)) == {"status", "now", "is_frozen"}
