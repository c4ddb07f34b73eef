"""The node's Unix socket: every user may connect, and no other user may replace it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from dsops.errors import UsageError
from dsops.node.listener import open_unix_listener


def test_every_user_may_connect_and_an_old_socket_is_replaced(tmp_path: Path) -> None:
    """The socket of a node that has ended is removed; the mode does not depend on the umask."""
    path = tmp_path / "run" / "node.sock"
    for _ in range(2):
        before = os.umask(0o077)
        try:
            listener = open_unix_listener(str(path))
        finally:
            os.umask(before)
        assert stat.S_IMODE(path.stat().st_mode) == 0o666
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o755
        listener.close()


def test_a_socket_in_use_another_file_and_a_long_path_are_refused(tmp_path: Path) -> None:
    """The error says what is in the way."""
    path = tmp_path / "node.sock"
    with open_unix_listener(str(path)), pytest.raises(UsageError) as in_use:
        open_unix_listener(str(path))
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError) as other:
        open_unix_listener(str(tmp_path / "file"))
    with pytest.raises(UsageError) as too_long:
        open_unix_listener(str(tmp_path / ("x" * 108)))
    assert [error.value.why for error in (in_use, other, too_long)] == [
        "another process listens on it",
        "another file is there",
        f"the path has {len(str(tmp_path)) + 109} bytes, and the system allows 107",
    ]
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_that_others_can_write_is_refused(tmp_path: Path) -> None:
    """Another user could put an own socket there."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run").chmod(0o777)
    with pytest.raises(UsageError) as raised:
        open_unix_listener(str(tmp_path / "run" / "node.sock"))
    assert (
        raised.value.why
        == f"the folder {tmp_path / 'run'}: other users can write it, and could put their own files there"
    )


def test_a_link_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    """The link could later lead to a folder of another user, with another socket in it."""
    (tmp_path / "real").mkdir(mode=0o755)
    (tmp_path / "run").symlink_to(tmp_path / "real")
    with pytest.raises(UsageError) as raised:
        open_unix_listener(str(tmp_path / "run" / "node.sock"))
    assert raised.value.why == f"the folder {tmp_path / 'run'}: it is a symbolic link"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
def test_a_folder_of_another_user_is_refused(tmp_path: Path) -> None:
    """This user could replace the socket while the node runs."""
    (tmp_path / "run").mkdir(mode=0o755)
    os.chown(tmp_path / "run", 54_321, 54_321)
    with pytest.raises(UsageError) as raised:
        open_unix_listener(str(tmp_path / "run" / "node.sock"))
    assert raised.value.why == f"the folder {tmp_path / 'run'}: it belongs to another user"


def test_a_link_in_place_of_the_socket_is_not_followed(tmp_path: Path) -> None:
    """Neither the link nor its target is removed."""
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "node.sock").symlink_to(tmp_path / "mine")
    with pytest.raises(UsageError) as raised:
        open_unix_listener(str(tmp_path / "node.sock"))
    assert raised.value.why == "another file is there"
    assert (tmp_path / "node.sock").read_text() == "mine"
