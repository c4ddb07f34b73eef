"""The folder in memory for an editor's file."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from dsops.secret_editing import memory_folder, private_folder


def mounts(folder: Path, *lines: str) -> str:
    """A list of mounts as the kernel prints it."""
    file = folder / "mounts"
    file.write_text("".join(f"{line}\n" for line in lines))
    return str(file)


def test_the_runtime_folder_is_used_if_it_is_in_memory(tmp_path: Path) -> None:
    """XDG_RUNTIME_DIR is used if it is in a tmpfs, also below the mount and with a space in its name."""
    runtime = tmp_path / "my run" / "user"
    runtime.mkdir(parents=True)
    listed = mounts(tmp_path, "/dev/sda / ext4 rw 0 0", f"tmpfs {tmp_path}/my\\040run tmpfs rw 0 0")
    assert str(runtime) == memory_folder({"XDG_RUNTIME_DIR": str(runtime)}, listed)


def test_a_folder_on_a_disk_is_not_used(tmp_path: Path) -> None:
    """Neither XDG_RUNTIME_DIR nor /dev/shm is used if it is on a disk."""
    listed = mounts(tmp_path, "/dev/sda / ext4 rw 0 0")
    assert "" == memory_folder({"XDG_RUNTIME_DIR": str(tmp_path)}, listed)
    over = mounts(
        tmp_path, "/dev/sda / ext4 rw 0 0", f"tmpfs {tmp_path} tmpfs rw 0 0", f"/dev/sdb {tmp_path} ext4 rw 0 0"
    )
    assert "" == memory_folder({"XDG_RUNTIME_DIR": str(tmp_path)}, over)


def test_a_link_counts_as_the_folder_that_it_leads_to(tmp_path: Path) -> None:
    """A symbolic link from a tmpfs to a disk does not count as memory."""
    (tmp_path / "memory").mkdir()
    (tmp_path / "disk").mkdir()
    (tmp_path / "memory" / "link").symlink_to(tmp_path / "disk")
    listed = mounts(tmp_path, "/dev/sda / ext4 rw 0 0", f"tmpfs {tmp_path}/memory tmpfs rw 0 0")
    assert "" == memory_folder({"XDG_RUNTIME_DIR": str(tmp_path / "memory" / "link")}, listed)


def test_a_system_without_a_list_of_mounts_has_none(tmp_path: Path) -> None:
    """Without a list of mounts (macOS), no folder is known to be in memory."""
    assert "" == memory_folder({"XDG_RUNTIME_DIR": str(tmp_path)}, str(tmp_path / "missing"))


def test_only_the_user_can_enter_the_private_folder(tmp_path: Path) -> None:
    """The private folder has mode 0700, whatever the umask is, and a new name each time."""
    before = os.umask(0)
    try:
        folders = {private_folder(str(tmp_path)) for _ in range(3)}
    finally:
        os.umask(before)
    assert 3 == len(folders)
    assert {0o700} == {stat.S_IMODE(os.stat(folder).st_mode) for folder in folders}
