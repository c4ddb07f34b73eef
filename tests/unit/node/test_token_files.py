"""Token files: their mode, their owner, and the folder in which no other user may replace them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from dsops.errors import FileNotWritten, Where
from dsops.node.token_files import write_tokens
from dsops.node.workloads import PeerRule, Workload


def workload(name: str) -> Workload:
    """A workload of this user."""
    return Workload(name, PeerRule(uid=os.geteuid()), None, os.geteuid(), ("role",), None, Where("node.yaml", 1))


def test_each_start_writes_new_tokens_that_only_the_owner_reads(tmp_path: Path) -> None:
    """A file has mode 0400 and a random token, and is replaced as a whole."""
    folder = tmp_path / "run" / "tokens"
    first = write_tokens(str(folder), [workload("web"), workload("job")])
    assert sorted(os.listdir(folder)) == ["job", "web"]
    assert stat.S_IMODE(os.stat(folder / "web").st_mode) == 0o400
    assert (folder / "web").read_text() == first["web"].reveal()
    assert len({token.reveal() for token in first.values()}) == 2
    second = write_tokens(str(folder), [workload("web")])
    assert (folder / "web").read_text() == second["web"].reveal() != first["web"].reveal()


def test_every_user_may_enter_the_folder_whatever_the_umask_is(tmp_path: Path) -> None:
    """`dsops node serve` runs with umask 077, and the workloads' users must reach their files."""
    before = os.umask(0o077)
    try:
        write_tokens(str(tmp_path / "run" / "tokens"), [workload("web")])
    finally:
        os.umask(before)
    assert [stat.S_IMODE(os.stat(tmp_path / name).st_mode) for name in ("run", "run/tokens")] == [0o755, 0o755]


def test_a_link_in_the_folder_is_replaced_and_not_followed(tmp_path: Path) -> None:
    """A token never goes into a file that another name points to."""
    (tmp_path / "tokens").mkdir(mode=0o755)
    target = tmp_path / "target"
    target.write_text("mine")
    (tmp_path / "tokens" / "web").symlink_to(target)
    write_tokens(str(tmp_path / "tokens"), [workload("web")])
    assert target.read_text() == "mine"
    assert not (tmp_path / "tokens" / "web").is_symlink()


@pytest.mark.parametrize("mode", [0o777, 0o775])
def test_a_folder_that_others_can_write_is_refused(tmp_path: Path, mode: int) -> None:
    """Another user could replace a token file in it."""
    (tmp_path / "tokens").mkdir()
    (tmp_path / "tokens").chmod(mode)
    with pytest.raises(FileNotWritten, match="is not safe"):
        write_tokens(str(tmp_path / "tokens"), [workload("web")])
    assert os.listdir(tmp_path / "tokens") == []


def test_a_linked_folder_is_refused(tmp_path: Path) -> None:
    """A link could point to another folder later."""
    (tmp_path / "real").mkdir(mode=0o755)
    (tmp_path / "tokens").symlink_to(tmp_path / "real")
    with pytest.raises(FileNotWritten, match="is not safe"):
        write_tokens(str(tmp_path / "tokens"), [workload("web")])
