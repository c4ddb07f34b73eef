"""Find a memory-backed folder (tmpfs), and create a private folder in it for the editor's file."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

_MEMORY = frozenset({"tmpfs", "ramfs"})
_MOUNTS = "/proc/self/mounts"


def memory_folder(environ: Mapping[str, str], mounts: str = _MOUNTS) -> str:
    """Return a writable folder whose files are in memory: XDG_RUNTIME_DIR or /dev/shm; "" if there is none.

    The kernel's list of mounts shows which folders are in memory. This list exists only on Linux.
    """
    try:
        with open(mounts, encoding="utf-8", errors="surrogateescape") as file:
            lines = [line.split(" ") for line in file]
    except OSError:
        return ""
    # If several file systems are mounted on one folder, the last one is visible.
    types = {_unescape(words[1]): words[2] for words in lines if len(words) > len(("device", "folder"))}
    for folder in (environ.get("XDG_RUNTIME_DIR", ""), "/dev/shm"):  # noqa: S108 (files get a folder of their own)
        is_usable = os.path.isabs(folder) and os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK)
        if is_usable and types.get(_mount_of(os.path.realpath(folder), types)) in _MEMORY:
            return folder
    return ""


def private_folder(parent: str) -> str:
    """Make a folder that only this user can enter, and return its path."""
    # The name is made here because `tempfile` would fall back to other folders.
    path = os.path.join(parent, f"dsops-edit-{os.urandom(8).hex()}")
    os.mkdir(path, 0o700)
    return path


def _mount_of(folder: str, types: Mapping[str, str]) -> str:
    """Return the mounted folder that contains this folder."""
    while folder not in types and folder != "/":
        folder = os.path.dirname(folder)
    return folder


def _unescape(text: str) -> str:
    r"""Decode a path of the kernel's list of mounts, in which a space is written `\\040`."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
