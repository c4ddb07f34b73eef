"""Parts of the agent's client: frames, the agent's address, and which command lines the agent can handle."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsops.agent import LONGEST, NOTE, client, pack, receive, send, unpack


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_what_is_packed_is_unpacked(fields: list[bytes]) -> None:
    """Unpacking a frame returns the packed fields in order."""
    assert unpack(pack(fields)) == fields


@given(st.binary(max_size=60))
def test_garbage_is_a_value_error_or_fields(data: bytes) -> None:
    """Unpacking arbitrary bytes raises ValueError or returns fields that pack to the same bytes."""
    try:
        fields = unpack(data)
    except ValueError:
        return
    assert pack(fields) == data


def test_a_frame_comes_through_in_pieces() -> None:
    """A frame that arrives byte by byte is received as one frame."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        send(theirs, NOTE, b"abc")
        whole = ours.recv(100)
        for number in whole:
            theirs.send(bytes([number]))
        assert receive(ours) == (NOTE, b"abc")


def test_a_frame_that_is_too_long_is_refused() -> None:
    """A frame whose length exceeds the limit is refused at once."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.send(b"N" + (LONGEST + 1).to_bytes(4, "big"))
        with pytest.raises(ValueError, match="too long"):
            receive(ours)


def test_the_end_within_a_frame_is_the_end() -> None:
    """If the connection ends within a frame (the agent died), the client receives no frame."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.send(b"X" + (10).to_bytes(4, "big") + b"half")
        theirs.shutdown(socket.SHUT_WR)
        assert receive(ours) is None


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--env", "production"],
        ["--env=production", "--pristine", "--json"],
        ["--config", "a", "--min-ttl", "60"],
        ["production"],
        ["-c", "a", "jump", "-e=plain"],
        ["--credentials", "jump"],
    ],
)
def test_these_command_lines_are_plain(words: list[str]) -> None:
    """Command lines that only set the environment are plain and go to the agent."""
    assert client.is_plain(words)


@pytest.mark.parametrize(
    "words",
    [
        ["--timeout", "5"],
        ["--env"],
        ["--no-agent"],
        ["-v"],
        ["--debug"],
        ["production", "jump"],
        [""],
        ["-"],
        ["--mask"],
        ["--serve"],
        ["--help"],
        ["--Env", "x"],
    ],
)
def test_these_command_lines_are_not(words: list[str]) -> None:
    """Command lines that need the client process, or are wrong, go to the full command-line parser."""
    assert not client.is_plain(words)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, True),
        ({"CI": "true"}, False),
        ({"CI": ""}, True),
        ({"DSOPS_AGENT": "off"}, False),
        ({"DSOPS_AGENT": "OFF"}, False),
        ({"DSOPS_AGENT": "on"}, True),
        ({"DSOPS_NO_AGENT": "1"}, False),
        ({"DSOPS_NO_AGENT": "0"}, True),
    ],
)
def test_where_an_agent_is_wanted(environ: dict[str, str], *, expected: bool) -> None:
    """The client uses no agent in CI, or if a variable switches it off."""
    assert client.is_wanted(environ) is expected


def test_a_private_folder_of_this_user_is_safe(tmp_path: Path) -> None:
    """A folder is safe only if this user owns it, no other user can enter it, and it is not a symbolic link."""
    folder = tmp_path / "dsops"
    assert not client.is_safe(str(folder))
    folder.mkdir(mode=0o700)
    assert client.is_safe(str(folder))
    for mode in (0o710, 0o701, 0o770, 0o755):
        folder.chmod(mode)
        assert not client.is_safe(str(folder))
    folder.chmod(0o700)
    (tmp_path / "link").symlink_to(folder)
    assert not client.is_safe(str(tmp_path / "link"))
    (tmp_path / "file").write_text("")
    (tmp_path / "file").chmod(0o700)
    assert not client.is_safe(str(tmp_path / "file"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
def test_a_folder_of_another_user_is_not_safe(tmp_path: Path) -> None:
    """Another user's folder is not safe, because its owner could put another socket into it."""
    folder = tmp_path / "dsops"
    folder.mkdir(mode=0o700)
    os.chown(folder, 12345, 12345)
    assert not client.is_safe(str(folder))


def test_the_peer_of_a_connection_is_this_user() -> None:
    """`peer_uid` returns the user at the other end of a socket.

    Connecting to a dead agent's socket returns None.
    """
    folder = tempfile.mkdtemp(prefix="dsops-")
    path = f"{folder}/s"
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen()
            connection = client.connect(path)
            assert connection is not None
            assert client.peer_uid(connection) == os.geteuid()
            connection.close()
        assert client.connect(path) is None
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("name", "mode", "found"), [("tool", 0o755, True), ("tool", 0o644, False), ("absent", 0, False)]
)
def test_a_command_is_found_as_a_shell_would(tmp_path: Path, name: str, mode: int, *, found: bool) -> None:
    """A command is found if it is an executable file in PATH; otherwise the full program reports the error."""
    if mode:
        (tmp_path / name).write_text("")
        (tmp_path / name).chmod(mode)
    (tmp_path / "folder").mkdir()
    expected = f"{tmp_path}/{name}" if found else None
    assert client.find(name, f"/nowhere:{tmp_path}") == expected
    assert client.find("folder", str(tmp_path)) is None


class Peer:
    """A stub of a connection for which the kernel gives this answer to the expected option."""

    def __init__(self, asked: tuple[int, int], says: bytes) -> None:
        self.asked = asked
        self.says = says

    def getsockopt(self, level: int, option: int, _length: int) -> bytes:
        """Return the kernel's answer."""
        if (level, option) != self.asked:
            raise OSError("no such option")
        return self.says


def number(value: int) -> bytes:
    """Return a number in the kernel's byte order."""
    return value.to_bytes(4, sys.byteorder)


XUCRED = number(0) + number(501) + b"\1\0\0\0" + number(20) + bytes(60)
UCRED = number(4321) + number(501) + number(20)


@pytest.mark.parametrize(
    ("platform", "asked", "says", "expected"),
    [
        ("linux", (socket.SOL_SOCKET, 17), UCRED, 501),
        ("linux", (socket.SOL_SOCKET, 17), UCRED[:8], -1),
        ("darwin", (0, 1), XUCRED, 501),
        ("freebsd14", (0, 1), XUCRED + bytes(8), 501),
        # Unknown layouts, no answer, and a system with another socket option.
        ("darwin", (0, 1), number(1) + XUCRED[4:], -1),
        ("darwin", (0, 1), b"", -1),
        ("openbsd7", (0, 2), UCRED, -1),
    ],
)
@pytest.mark.skipif(sys.platform != "linux", reason="the numbers of its options")
def test_the_user_is_read_as_each_system_writes_it(
    platform: str, asked: tuple[int, int], says: bytes, expected: int
) -> None:
    """The peer's user ID is parsed in each system's layout; an unknown layout gives -1 (unix(7), unix(4))."""
    connection: Any = Peer(asked, says)
    assert client.peer_uid(connection, platform) == expected


def test_the_sockets_path_is_short_enough_everywhere() -> None:
    """A folder is not used if the socket's path in it would exceed 104 bytes, the limit of macOS."""
    longest = client.folder_of({"XDG_RUNTIME_DIR": "/" + "x" * 58})
    assert len(client.address_in(longest)) < 104
    too_long = client.folder_of({"XDG_RUNTIME_DIR": "/" + "x" * 60})
    assert too_long.endswith(f"/dsops-{os.geteuid()}")
