"""The sandbox's server: HTTP responses, start and end, robustness, and finding a running sandbox."""

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
from tests.children import SECONDS
from tests.sandboxes import ACCOUNT, Keys, sign

SEED = Seed((SeedAccount(ACCOUNT, users=(SeedUser("alice"),)), SeedAccount("222222222222")))
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
IDENTITY = b"Action=GetCallerIdentity&Version=2011-06-15"


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    """A server for two accounts with the user alice, on a free port of loopback."""
    with open_server(SEED) as running:
        yield running


def exchange(server: SandboxServer, data: bytes) -> bytes:
    """Send the bytes; return all received bytes until the server closes the connection."""
    answer = b""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection, suppress(OSError):
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        while chunk := connection.recv(65536):
            answer += chunk
    return answer


def alice(server: SandboxServer) -> Keys:
    """Return alice's keys."""
    variables = identity_variables(server, "alice")
    return Keys(access_key_id=variables["AWS_ACCESS_KEY_ID"], secret_access_key=variables["AWS_SECRET_ACCESS_KEY"])


class Answer(NamedTuple):
    """A parsed HTTP response."""

    status: int
    headers: Mapping[str, str]
    text: str


def fetch(
    server: SandboxServer, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> Answer:
    """Send a request on a new connection; return the response."""
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)) as connection:
        connection.request(method, path, body, dict(headers or {}))
        answer = connection.getresponse()
        return Answer(answer.status, dict(answer.headers), answer.read().decode())


def post(server: SandboxServer, body: bytes = IDENTITY, keys: Keys | None = None) -> Answer:
    """Send a signed POST; return the response."""
    request = sign(keys or alice(server), "sts", "us-east-1", "POST", "/", FORM, body)
    return fetch(server, "POST", "/", body, request.headers)


def test_health_is_answered_when_it_is_ready(server: SandboxServer) -> None:
    """The health endpoint answers 200 as soon as the port is open."""
    assert ask(server.url, "health")["status"] == "ok"


def test_it_listens_on_loopback_only(server: SandboxServer) -> None:
    """The server listens on 127.0.0.1 only."""
    assert server.host == "127.0.0.1"
    assert server.url == f"http://127.0.0.1:{server.port}"
    assert server._loop.socket.getsockname()[0] == "127.0.0.1"


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_it_listens_on_ipv6_on_request() -> None:
    """The server can listen on IPv6; the URL has brackets."""
    try:
        running = open_server(SEED, host="::1")
    except SandboxUnavailable as error:
        pytest.skip(error.why)
    with running:
        assert running.url == f"http://[::1]:{running.port}"
        assert ask(running.url, "health")["status"] == "ok"


def test_an_answer_has_aws_headers(server: SandboxServer) -> None:
    """A response has a content type, both request id headers and a date."""
    answer = post(server)

    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/xml"
    assert answer.headers["x-amzn-RequestId"] in answer.text
    assert answer.headers["x-amz-sts-extended-request-id"]
    assert answer.headers["Date"]
    assert f"<Arn>arn:aws:iam::{ACCOUNT}:user/alice</Arn>" in answer.text


def test_a_body_that_is_too_large_is_a_413(server: SandboxServer) -> None:
    """A body of ten million bytes is accepted, a longer one gets a 413, and the server keeps serving."""
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
def test_invalid_http_does_not_stop_the_server(server: SandboxServer, data: bytes) -> None:
    """Invalid HTTP gets no 5xx, and the next request is served."""
    answer = exchange(server, data)

    assert b"HTTP/1.1 5" not in answer
    assert b"HTTP/1.0 5" not in answer
    assert post(server).status == 200


def test_a_bug_is_an_internal_failure(
    server: SandboxServer, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A bug gives a 500 InternalFailure and a traceback on stderr, and the server keeps serving."""

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


def test_a_port_in_use_is_reported(server: SandboxServer) -> None:
    """A taken port is reported with a hint."""
    with pytest.raises(SandboxUnavailable) as caught:
        SandboxServer(server.sandbox, port=server.port)

    assert caught.value.message == f"the sandbox can't listen on 127.0.0.1:{server.port}"
    assert "--port" in caught.value.hint


@pytest.mark.parametrize(
    ("host", "port", "why", "flag"),
    [
        ("127.0.0.1", 65536, "the highest port is 65535", "--port"),
        ("192.0.2.1", 0, "this machine does not have that address", "--host"),
    ],
)
def test_an_unusable_address_is_reported(server: SandboxServer, host: str, port: int, why: str, flag: str) -> None:
    """An invalid host or port is reported with the flag that sets it."""
    with pytest.raises(SandboxUnavailable) as caught:
        SandboxServer(server.sandbox, host=host, port=port)

    assert caught.value.why == why
    assert flag in caught.value.hint


def test_the_port_is_released_at_the_end() -> None:
    """After the server is closed its port is free, even if a connection was open."""
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
    """The server serves sixteen concurrent clients, although moto alone fails with eight."""
    from concurrent.futures import ThreadPoolExecutor

    keys = alice(server)

    def work(_: int) -> set[int]:
        return {post(server, keys=keys).status for _ in range(8)}

    with ThreadPoolExecutor(16) as pool:
        assert set().union(*pool.map(work, range(16))) == {200}


# --- client settings ------------------------------------------------------------------------------------------


def test_client_settings_point_to_the_sandbox_only(server: SandboxServer) -> None:
    """The client's environment points at the sandbox: other credentials and proxies are removed, settings kept."""
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


def test_a_missing_user_has_no_keys(server: SandboxServer) -> None:
    """The keys of an unknown user are an error that names the user."""
    with pytest.raises(SandboxUnavailable, match="no user `mallory`"):
        identity_variables(server, "mallory")
    assert identity_variables(server, "admin@222222222222")["AWS_ACCESS_KEY_ID"]


# --- finding a running sandbox ---------------------------------------------------------------------------------


def test_a_running_sandbox_is_found(server: SandboxServer, tmp_path: Path) -> None:
    """A running sandbox is found by its announcement file, by port and by AWS_ENDPOINT_URL."""
    environ = {"XDG_RUNTIME_DIR": str(tmp_path)}
    announcement = Announcement(server.url, environ)

    assert find_running(None, environ) == server.url
    announcement.withdraw()
    assert find_running(server.port, {}) == server.url
    assert find_running(None, {**environ, "AWS_ENDPOINT_URL": server.url}) == server.url
    with pytest.raises(SandboxUnavailable, match="no sandbox is running"):
        find_running(None, environ)
    announcement.withdraw()


def test_the_announcement_is_private(server: SandboxServer, tmp_path: Path) -> None:
    """The announcement is a private file without keys; if others can write to its folder, it is ignored."""
    environ = {"XDG_RUNTIME_DIR": str(tmp_path)}
    Announcement(server.url, environ)

    (path,) = (tmp_path / "dsops").iterdir()
    assert path.read_text() == server.url
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    path.parent.chmod(0o777)
    with pytest.raises(SandboxUnavailable):
        find_running(None, environ)


def test_an_unwritable_announcement_is_ignored(server: SandboxServer) -> None:
    """If the announcement can't be written, the sandbox still serves and is found by its port."""
    environ = {"XDG_RUNTIME_DIR": os.devnull}
    announcement = Announcement(server.url, environ)

    assert find_running(server.port, environ) == server.url
    with pytest.raises(SandboxUnavailable, match="no sandbox is running"):
        find_running(None, environ)
    announcement.withdraw()


def test_an_ended_sandbox_is_ignored(server: SandboxServer, tmp_path: Path) -> None:
    """The announcement of a killed sandbox is ignored."""
    environ = {"XDG_RUNTIME_DIR": str(tmp_path)}
    Announcement("http://127.0.0.1:1", environ)
    Announcement(server.url, environ)

    assert find_running(None, environ) == server.url


def test_one_of_several_must_be_chosen(server: SandboxServer, tmp_path: Path) -> None:
    """If several sandboxes run, the error lists their ports."""
    environ = {"XDG_RUNTIME_DIR": str(tmp_path)}
    folder = tmp_path / "dsops"
    Announcement(server.url, environ)
    (folder / "sandbox-again").write_text(server.url)

    with pytest.raises(SandboxUnavailable) as caught:
        find_running(None, environ)
    assert str(server.port) in caught.value.hint


def test_endpoints_can_be_read_and_written(server: SandboxServer) -> None:
    """`ask` and `tell` call control endpoints and report their errors."""
    before = server.sandbox.clock.now()

    assert tell(server.url, "clock", {"advance_seconds": 3600})["status"] == "ok"
    assert server.sandbox.clock.now() >= before + 3600
    with pytest.raises(SandboxUnavailable) as caught:
        ask(server.url, "totp", serial="none")
    assert caught.value.why == "there is no MFA device none"
    with pytest.raises(SandboxUnavailable, match="no sandbox answers"):
        ask("http://127.0.0.1:1", "health")


def test_another_server_is_not_a_sandbox() -> None:
    """If another program listens on the port, the error says that it is no sandbox."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        from threading import Thread

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"HTTP/1.0 200 OK\r\n\r\nhello")

        thread = Thread(target=serve, daemon=True)
        thread.start()
        with pytest.raises(SandboxUnavailable, match="no sandbox answers"):
            ask(f"http://127.0.0.1:{listener.getsockname()[1]}", "health")
        thread.join(timeout=SECONDS)


def test_control_endpoints_use_json(server: SandboxServer) -> None:
    """Each control endpoint answers with one JSON object."""
    assert set(json.loads(fetch(server, "GET", "/_sandbox/clock").text)) == {"status", "now", "is_frozen"}
