"""`dsops node status`: the sessions of a running node, for root and the node's own user."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dsops.cli import main
from dsops.errors import AnswerInvalid, DsopsError, Unreachable, UsageError
from dsops.node.configuration import load_node_config
from dsops.node.peer import Peer
from dsops.node.status import ask_status, may_ask
from tests.children import SECONDS
from tests.nodes import StubIssuer, running_node

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who is at the other end")
WORKLOADS = f"""\
  web: {{uid: {os.geteuid()}, stores: [web-role, other]}}
  job: {{uid: {os.geteuid()}, stores: web-role}}
"""
LISTEN = "127.0.0.1:0, unix:run/node.sock"


def asked(folder: Path) -> list[dict[str, object]]:
    """The sessions of the node whose file is in the folder."""
    return ask_status(load_node_config(str(folder / "node.yaml")))


def failure(folder: Path, listen: str) -> DsopsError:
    """The error of a node file with this address."""
    (folder / "node.yaml").write_text(f"listen: {listen}\nworkloads: {{web: {{uid: 0, stores: x}}}}\n")
    (folder / "node.yaml").chmod(0o600)
    with pytest.raises(DsopsError) as raised:
        asked(folder)
    return raised.value


def test_each_session_has_its_workloads_and_times(tmp_path: Path) -> None:
    """A session that a process uses is renewed 20 to 25 minutes before it expires; keys are masked."""
    with running_node(tmp_path, WORKLOADS, listen=LISTEN) as node:
        assert asked(tmp_path) == []
        given = json.loads(node.session("web").body)
        [entry] = asked(tmp_path)
    assert (entry["store"], entry["workloads"], entry["caller"], entry["state"]) == (
        "web-role",
        ["web", "job"],
        {},
        "used",
    )
    assert entry["expires"] == given["Expiration"]
    assert str(entry["renews"]) < str(entry["expires"])
    assert (entry["failures"], entry["error"]) == (0, "")
    assert entry["key"] == f"{given['AccessKeyId'][:4]}...{given['AccessKeyId'][-4:]}"
    assert given["AccessKeyId"] not in json.dumps(entry)
    assert "hush" not in json.dumps(entry)


def test_errors_are_shown(tmp_path: Path) -> None:
    """A store whose session can't be issued has the error of its last attempt."""
    issuer = StubIssuer()
    issuer.error = Unreachable("AWS is not reachable")
    with running_node(tmp_path, WORKLOADS, issuer=issuer, listen=LISTEN) as node:
        assert node.session("web").status == 503
        [entry] = asked(tmp_path)
    assert (entry["state"], entry["failures"], entry["error"]) == ("failing", 1, "AWS is not reachable")
    assert (entry["key"], entry["expires"], entry["renews"]) == ("", "", "")


def test_a_request_without_the_header_is_none_for_the_status(tmp_path: Path) -> None:
    """A program that is made to send requests can't add the header; a forwarded request is refused."""
    with running_node(tmp_path, WORKLOADS, listen=LISTEN) as node:
        header = {"X-Dsops-Node-Status": "1"}
        statuses = [
            node.get("/status", more).status for more in ({}, header, {**header, "X-Forwarded-For": "10.0.0.1"})
        ]
    assert statuses == [403, 200, 400]


def test_only_root_and_the_user_of_the_node_may_ask() -> None:
    """The kernel says who asks; a peer of another network namespace has no user."""
    own, other = os.geteuid(), os.geteuid() + 1
    assert [may_ask(peer) for peer in (Peer(0), Peer(own), Peer(other), Peer(None), None)] == [
        True,
        True,
        False,
        False,
        False,
    ]


def test_the_command_prints_a_table_and_json(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Columns without a value are left out."""
    words = ["node", "status", "--node", str(tmp_path / "node.yaml")]
    with running_node(tmp_path, WORKLOADS, listen=LISTEN) as node:
        assert main(words) == 0
        assert capfd.readouterr().out == "0 sessions\n"
        node.session("web")
        assert main(words) == 0
        first, headings, row = capfd.readouterr().out.splitlines()
        assert main([*words, "--json"]) == 0
    assert first == "1 session"
    assert headings.split() == ["STORE", "WORKLOADS", "STATE", "RENEWS", "EXPIRES", "KEY"]
    assert row.split()[:4] == ["web-role", "web,", "job", "used"]
    assert [each["store"] for each in json.loads(capfd.readouterr().out)["sessions"]] == ["web-role"]


def test_addresses_without_a_node(tmp_path: Path) -> None:
    """A free port is not known, and no process answers at a wrong address."""
    unknown = failure(tmp_path, "127.0.0.1:0")
    assert isinstance(unknown, UsageError)
    assert "unix:" in unknown.hint
    absent = failure(tmp_path, f"unix:{tmp_path}/none.sock")
    assert isinstance(absent, Unreachable)
    assert absent.hint == "start it: dsops node serve"


@contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """A port of another process, which sends the same answer to one request."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            client, _ = listener.accept()
            with client:
                client.settimeout(SECONDS)
                client.recv(65_536)
                client.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(SECONDS)


@pytest.mark.parametrize("body", [b"", b"[]", b'{"sessions": {}}', b'{"sessions": [{"store": "x"}]}', b"healthy"])
def test_another_process_at_the_address_is_an_error(tmp_path: Path, body: bytes) -> None:
    """An answer in another format is not shown."""
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with answering(head + body) as port:
        assert isinstance(failure(tmp_path, f"127.0.0.1:{port}"), AnswerInvalid)
