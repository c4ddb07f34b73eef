"""Write a file with secrets: its mode, its path, and that it is written completely or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dsops.errors import FileNotWritten
from dsops.render.file import write_private


def test_a_new_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    """A new file has mode 0600 from the moment it is created."""
    path = tmp_path / ".env"
    write_private(str(path), b"A=1\n")
    assert path.read_bytes() == b"A=1\n"
    assert path.stat().st_mode & 0o777 == 0o600


def test_an_existing_file_gets_that_mode_too(tmp_path: Path) -> None:
    """An existing file gets mode 0600, too; the original dsops left 0644 unchanged."""
    path = tmp_path / ".env"
    path.write_text("old")
    path.chmod(0o644)
    write_private(str(path), b"new")
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600


def test_an_open_old_file_keeps_its_text(tmp_path: Path) -> None:
    """The new file replaces the old one in one step, so a hard link to the old file keeps the old text."""
    path, other = tmp_path / ".env", tmp_path / "other"
    path.write_text("old")
    other.hardlink_to(path)
    with path.open() as reader:
        write_private(str(path), b"new")
        assert reader.read() == "old"
    assert other.read_text() == "old"


def test_the_umask_takes_nothing_from_the_owner(tmp_path: Path) -> None:
    """The file has mode 0600 under any umask."""
    before = os.umask(0o777)
    try:
        write_private(str(tmp_path / ".env"), b"A=1\n")
    finally:
        os.umask(before)
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("target", ["elsewhere", "nowhere"])
def test_a_symbolic_link_is_not_followed(target: str, tmp_path: Path) -> None:
    """A symbolic link as target is refused.

    It may lead to a file that others read. The error names the link's target.
    """
    (tmp_path / "elsewhere").write_text("theirs")
    link = tmp_path / ".env"
    link.symlink_to(tmp_path / target)
    with pytest.raises(FileNotWritten, match="symbolic link") as caught:
        write_private(str(link), b"hush")
    assert str(tmp_path / target) in caught.value.message
    assert (tmp_path / "elsewhere").read_text() == "theirs"
    assert sorted(os.listdir(tmp_path)) == [".env", "elsewhere"]


def test_a_special_file_is_refused(tmp_path: Path) -> None:
    """A folder or pipe as target is refused, since a rename would fail or replace it."""
    os.mkfifo(tmp_path / "pipe")
    for name, message in (("", "a folder"), ("pipe", "not a regular file")):
        with pytest.raises(FileNotWritten, match=message):
            write_private(str(tmp_path / name), b"hush")


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    """If the folder does not exist, the hint has the command that creates it."""
    with pytest.raises(FileNotWritten) as caught:
        write_private(str(tmp_path / "no" / ".env"), b"hush")
    assert caught.value.exit_code == 2
    assert caught.value.hint == f"make the folder first: `mkdir -p {tmp_path / 'no'}`"


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If writing fails (disk full), the old file stays, and no partial file is left beside it."""

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / ".env"
    path.write_text("old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FileNotWritten) as caught:
        write_private(str(path), b"hush")
    assert caught.value.why == "no space left on device"
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == [".env"]


def test_a_relative_name_means_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative name such as `.env` is resolved against the working folder."""
    monkeypatch.chdir(tmp_path)
    write_private(".env", b"A=1\n")
    assert (tmp_path / ".env").read_bytes() == b"A=1\n"
