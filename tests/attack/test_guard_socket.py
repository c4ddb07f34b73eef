"""The Unix socket of `dsops guard serve` against other users: folders, links, files in its place, connections."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from dsops.errors import UsageError
from dsops.guard.run.unix_socket import UserSocket, open_socket

IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
NOBODY = 65534


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that belongs to this user alone, with a short path."""
    path = tmp_path / "g"
    path.mkdir(mode=0o700)
    return path


@pytest.fixture
def listener(folder: Path) -> Iterator[UserSocket]:
    """A socket in the folder."""
    with open_socket(str(folder / "s")) as opened:
        yield opened


def refused(path: Path) -> str:
    """The error for a socket at this path."""
    with pytest.raises(UsageError) as caught:
        open_socket(str(path))
    assert caught.value.hint
    return f"{caught.value.message}: {caught.value.why}"


def test_the_socket_is_private(listener: UserSocket, folder: Path) -> None:
    """The socket has mode 0600."""
    assert listener.getsockname() == str(folder / "s")
    assert stat.S_IMODE((folder / "s").stat().st_mode) == 0o600


def test_a_new_folder_is_private(tmp_path: Path) -> None:
    """A folder that does not exist is created with mode 0700."""
    with open_socket(str(tmp_path / "new" / "s")):
        assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o1777, 0o722])
def test_a_folder_that_others_can_write(folder: Path, mode: int) -> None:
    """In a folder that other users can write, they could replace the socket."""
    folder.chmod(mode)

    assert "other users can write it" in refused(folder / "s")
    assert os.listdir(folder) == []


@pytest.mark.skipif(not IS_ROOT, reason="only root can give a folder to another user")
def test_a_folder_of_another_user(folder: Path) -> None:
    """In a folder of another user, this user could replace the socket."""
    os.chown(folder, NOBODY, NOBODY)

    assert "it belongs to another user" in refused(folder / "s")


def test_a_link_to_a_folder(folder: Path, tmp_path: Path) -> None:
    """A symbolic link in place of the folder could later lead elsewhere."""
    (tmp_path / "link").symlink_to(folder)

    assert "it is a symbolic link" in refused(tmp_path / "link" / "s")


@pytest.mark.parametrize("kind", ["file", "link", "dangling", "folder"])
def test_another_file_in_its_place(folder: Path, kind: str) -> None:
    """A file, link or folder at the path is neither removed nor followed."""
    path, other = folder / "s", folder / "other"
    if kind == "file":
        path.write_text("mine", encoding="utf-8")
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(other)
    if kind == "link":
        other.write_text("mine", encoding="utf-8")

    assert "another file is there" in refused(path)
    assert os.path.lexists(path)
    assert other.exists() is (kind == "link")


def test_the_socket_of_an_ended_guard_is_replaced(folder: Path) -> None:
    """A socket on which no process listens is replaced."""
    open_socket(str(folder / "s")).close()
    with open_socket(str(folder / "s")) as listener, socket.socket(socket.AF_UNIX) as client:
        client.connect(str(folder / "s"))
        listener.accept()[0].close()


def test_the_socket_of_another_guard_stays(listener: UserSocket, folder: Path) -> None:
    """A socket on which a process listens is not replaced, and this process still gets the connections."""
    assert "another process listens" in refused(folder / "s")
    listener.accept()[0].close()  # the connection of the check
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(folder / "s"))
        listener.accept()[0].close()


@pytest.mark.parametrize(("size", "is_allowed"), [(107, True), (108, False), (4096, False)])
def test_the_length_of_a_path(folder: Path, size: int, *, is_allowed: bool) -> None:
    """A path has at most 107 bytes. A longer one is an error before anything is created."""
    path = Path(f"{folder}/{'x' * (size - len(str(folder)) - 1)}")
    if is_allowed:
        open_socket(str(path)).close()
    else:
        assert f"{size} bytes" in refused(path)


@pytest.mark.skipif(not IS_ROOT or sys.platform != "linux", reason="only root can connect as another user")
def test_another_user_is_refused_although_the_mode_allows_it() -> None:
    """A connection of another user is closed, and the server goes on; root's is accepted."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = f"{folder}/s"
        listener = open_socket(path)
        Path(path).chmod(0o666)

        async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"hello")
            writer.close()

        async def serve() -> list[str]:
            async with await asyncio.start_server(answer, sock=listener):
                return [await asyncio.to_thread(read_as, user, path) for user in (0, NOBODY, 0)]

        assert asyncio.run(serve()) == ["hello", "", "hello"]


def read_as(user: int, path: str) -> str:
    """What a process of this user reads from the socket."""
    program = (
        f"import os, socket\nos.setuid({user})\n"
        f"client = socket.socket(socket.AF_UNIX)\nclient.settimeout(10)\nclient.connect({path!r})\n"
        "print(client.recv(9).decode())"
    )
    result = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, timeout=30, check=False
    )
    assert not result.stderr
    return result.stdout.strip()
