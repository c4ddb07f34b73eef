"""Attacks on the node's identification of callers: stolen tokens, other users, shared sockets and closed sockets."""

from __future__ import annotations

import os
import socket
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.children import SECONDS, wait_for
from tests.nodes import RunningNode, running_node

ME = os.geteuid()
STRANGER = 54_321
WEB = f"""\
  web:
    uid: {ME}
    stores: web-role
"""
NEEDS_ROOT = pytest.mark.skipif(ME != 0, reason="only root may start a process of another user")
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who is at the other end of TCP")
pytestmark = LINUX


def as_user(user: int, act: Callable[[], bytes]) -> bytes:
    """What the function returns in a process of this user; the name of the exception if it raises one."""
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the child uses none of the threads
        child = os.fork()
    if not child:
        try:
            os.setgroups([])
            os.setgid(user)
            os.setuid(user)
            result = act()
        except BaseException as error:  # noqa: BLE001 - the child must not go on as a test
            result = type(error).__name__.encode()
        os.write(writer, result)
        os._exit(0)
    os.close(writer)
    with open(reader, "rb") as file:
        result = file.read()
    wait_for(child)
    return result


def connected(port: int) -> socket.socket:
    """A connection to the node. `create_connection` would load a codec, which another user may not be able to read."""
    client = socket.socket()
    client.settimeout(SECONDS)
    client.connect(("127.0.0.1", port))
    return client


def ask(port: int, path: str, header: str, token: str) -> bytes:
    """The start of the answer to a request."""
    with connected(port) as client:
        client.sendall(request(port, path, header, token))
        return client.recv(12)


@contextmanager
def held_by(user: int) -> Iterator[None]:
    """A process of this user has all of this process's sockets during the block."""
    ready, is_ready = os.pipe()
    end, is_over = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        os.close(is_over)
        os.setuid(user)
        os.write(is_ready, b"x")
        os.read(end, 1)
        os._exit(0)
    try:
        os.close(is_ready)
        assert os.read(ready, 1) == b"x"
        yield
    finally:
        os.close(is_over)
        wait_for(child)
        os.close(ready)
        os.close(end)


def request(port: int, path: str, header: str, token: str) -> bytes:
    """The bytes of a request."""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{header}: {token}\r\n\r\n".encode()


@NEEDS_ROOT
def test_a_stolen_token_does_not_help_another_user(tmp_path: Path) -> None:
    """A token that is replayed by a process of another uid is refused, for sessions and for secrets."""
    rule = f"{WEB}    secrets: {{store: app, names: '*'}}\n"
    with running_node(tmp_path, rule) as node:
        token = node.token("web")
        statuses = [
            as_user(user, lambda path=path, header=header: ask(node.port, path, header, token))  # type: ignore[misc]
            for user in (STRANGER, ME)
            for path, header in (("/credentials", "Authorization"), ("/v1/app/db", "X-Aws-Parameters-Secrets-Token"))
        ]
    assert statuses == [*[b"HTTP/1.1 403"] * 2, *[b"HTTP/1.1 200"] * 2]
    assert [facts["uid"] for facts in node.reports.facts("node.refused")] == [str(STRANGER)] * 2


@NEEDS_ROOT
def test_the_status_is_not_told_to_another_user(tmp_path: Path) -> None:
    """Another user gets no list of the sessions, even with the token of a workload; root gets it without one."""
    with running_node(tmp_path, WEB) as node:
        assert node.session("web").status == 200
        token = node.token("web")
        headers = f"Authorization: {token}\r\nX-Dsops-Node-Status"
        statuses = [as_user(user, lambda: ask(node.port, "/status", headers, "1")) for user in (STRANGER, 0)]
    assert statuses == [b"HTTP/1.1 403", b"HTTP/1.1 200"]


@NEEDS_ROOT
def test_another_user_cannot_read_or_replace_a_token(tmp_path: Path) -> None:
    """The token file belongs to the workload's user alone, and its folder to the node's."""
    with running_node(tmp_path, WEB.replace(str(ME), str(STRANGER))) as node:
        file = node.folder / "tokens" / "web"
        status = file.stat()
        assert (status.st_uid, status.st_mode & 0o7777) == (STRANGER, 0o400)
        folder = file.parent.stat()
        assert (folder.st_uid, folder.st_mode & 0o7777) == (ME, 0o755)


@NEEDS_ROOT
def test_a_closed_connection_is_not_roots(tmp_path: Path) -> None:
    """The kernel reports uid 0 for a socket whose process has closed it; a rule for root does not match it."""

    def send_and_close(node: RunningNode) -> None:
        message = request(node.port, "/credentials", "Authorization", node.token("root"))

        def send() -> bytes:
            with connected(node.port) as client:
                client.sendall(message)
            return b"sent"

        assert as_user(STRANGER, send) == b"sent"

    with running_node(tmp_path, "  root: {uid: 0, stores: admin}\n", before=send_and_close) as node:
        assert node.get("/ping").status == 200
        assert node.issuer.stores == []
        assert node.session("root").status == 200


@NEEDS_ROOT
def test_a_process_of_another_unit_is_refused(tmp_path: Path) -> None:
    """A token and the right uid are not enough for a workload with a unit or a cgroup."""
    rules = f"""\
  unit: {{uid: {ME}, unit: web.service, stores: admin}}
  group: {{cgroup: /system.slice/web.service, stores: admin}}
  gid: {{gid: {STRANGER}, stores: admin}}
  own: {{gid: {os.getegid()}, stores: admin}}
"""
    with running_node(tmp_path, rules) as node:
        statuses = [node.session(name).status for name in ("unit", "group", "gid", "own")]
    assert statuses == [403, 403, 403, 200]


@NEEDS_ROOT
def test_a_socket_that_another_user_shares_is_refused(tmp_path: Path) -> None:
    """If a process of another user holds the connection, too, a rule about processes does not match.

    The other process could read the answer: it has opened the connection and passed it on, or the other way round.
    """
    with running_node(tmp_path, f"  own: {{gid: {os.getegid()}, stores: admin}}\n") as node:
        client = connected(node.port)
        with client, held_by(STRANGER):
            client.sendall(request(node.port, "/credentials", "Authorization", node.token("own")))
            answer = client.recv(4096)
    assert answer.startswith(b"HTTP/1.1 403 ")


@NEEDS_ROOT
def test_a_reused_pid_proves_nothing(tmp_path: Path) -> None:
    """The process that connected to the Unix socket has ended, and its child has the connection: there is no proof.

    Its pid may belong to any process by now. The pidfd of the connection still belongs to the process that has ended.
    """
    with running_node(
        tmp_path, f"  own: {{gid: {os.getegid()}, stores: admin}}\n", listen="127.0.0.1:0, unix:run/node.sock"
    ) as node:
        ours = socket.socket(socket.AF_UNIX)
        child = os.fork()
        if not child:
            try:
                ours.connect(str(tmp_path / "run" / "node.sock"))
            finally:
                os._exit(0)
        assert wait_for(child) == 0
        with ours:
            ours.settimeout(SECONDS)
            ours.sendall(f"GET /credentials HTTP/1.1\r\nAuthorization: {node.token('own')}\r\n\r\n".encode())
            answer = ours.recv(4096)
    assert answer.startswith(b"HTTP/1.1 403 ")
