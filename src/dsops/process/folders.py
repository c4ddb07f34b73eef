"""Folders in which only certain users can replace files."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection

_PUBLIC = 0o755
_OTHERS_WRITE = 0o022


def make_public_folder(path: str) -> None:
    """Create the folder and its missing parents with mode 0755, whatever the umask is. Raises OSError.

    Every user of the machine may enter the folders, and only this process's user may write them.
    """
    if os.path.lexists(path):
        return
    parent = os.path.dirname(path)
    if parent != path:
        make_public_folder(parent)
    os.mkdir(path)
    os.chmod(path, _PUBLIC)


def folder_problem(folder: str, owners: Collection[int]) -> str:
    """Return why another user could replace files in the folder; "" if only one of the owners can. Raises OSError."""
    status = os.lstat(folder)
    if stat.S_ISLNK(status.st_mode):
        return "it is a symbolic link"
    if not stat.S_ISDIR(status.st_mode):
        return "it is not a folder"
    if status.st_uid not in owners:
        return "it belongs to another user"
    if status.st_mode & _OTHERS_WRITE:
        return "other users can write it, and could put their own files there"
    return ""
