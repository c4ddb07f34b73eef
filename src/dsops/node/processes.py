"""Facts about processes from /proc: user, group, cgroup and systemd unit, and which processes hold a socket.

Every read goes through a descriptor of the process's folder, opened first. The descriptor belongs to one process: after
this process has ended, reads fail, even if a new process has the same pid.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

FOLDER_FLAGS: Final = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
_MOST_BYTES: Final = 65_536
_UNIT: Final = re.compile(r"[A-Za-z0-9:_.\\@-]+\.(?:service|scope|socket|mount|swap|slice)")
_POD: Final = re.compile(r"(?:kube[a-z-]*-)?pod([0-9A-Za-z_-]{1,64}?)(?:\.slice)?")
"""The name of a pod's cgroup, by the kubelet's driver for systemd, or its own (`cgroupfs`)."""
_ABOVE_PODS: Final = ("kube", "burstable", "besteffort", "pod")
"""How the kubelet's cgroups begin; the later ones if the path begins inside of `kubepods`."""
_DELETED: Final = " (deleted)"
_ROOT: Final = 0


class PeerProcess(NamedTuple):
    """A process that holds the other end of a connection."""

    pid: int
    uid: int
    """The effective user id."""
    gid: int
    """The effective group id."""
    cgroup: str
    """The path in the unified hierarchy, or in systemd's own hierarchy on a machine with cgroup v1; "" if unknown."""
    unit: str
    """The systemd unit, such as `web.service`; "" for none."""
    pod: str = ""
    """The uid of the Kubernetes pod; "" for none."""


def process_facts(pid: int, proc: str = "/proc") -> PeerProcess:
    """Return the facts of a running process. Raises OSError, or ValueError for a file in another format."""
    folder = os.open(f"{proc}/{pid}", FOLDER_FLAGS)
    try:
        return _facts(folder, pid)
    finally:
        os.close(folder)


def holders_of(inode: int, proc: str = "/proc") -> tuple[PeerProcess, ...]:
    """Return all processes that hold the socket with this inode.

    Raises OSError if a process can't be examined, because it might hold the socket, too, or ValueError. Only a process
    of root is left out then: root can read the node's sessions anyway.
    """
    target = f"socket:[{inode}]"
    found = []
    for name in os.listdir(proc):
        if name.isascii() and name.isdigit():
            try:
                process = _holder(f"{proc}/{name}", int(name), target)
            except (FileNotFoundError, ProcessLookupError):
                continue  # the process has ended
            except PermissionError:
                if process_facts(int(name), proc).uid != _ROOT:
                    raise
                continue
            if process is not None:
                found.append(process)
    return tuple(found)


def unit_of(cgroup: str) -> str:
    """Return the system's unit that a cgroup belongs to: the first part that is not a slice; "" for none.

    Parts below are not considered, because a user may create cgroups with any name below `user@1000.service`.
    """
    for part in cgroup.split("/")[1:]:
        if not part.endswith(".slice"):
            return part if _UNIT.fullmatch(part) else ""
    return ""


def parse_cgroup(text: str) -> str:
    """Return the path that systemd's units are in, from the content of /proc/PID/cgroup; "" if it proves nothing.

    A path with `..` is outside of this process's cgroup namespace, and a deleted cgroup's name may be in use again.
    """
    path = _cgroup_path(text)
    is_good = path.startswith("/") and ".." not in path.split("/") and not path.endswith(_DELETED)
    return path if is_good else ""


def pod_of_cgroup(text: str) -> str:
    """Return the uid of the Kubernetes pod, from the content of /proc/PID/cgroup; "" for a process outside of pods.

    The path may begin with `..`, outside of this process's cgroup namespace. Only root creates cgroups beside and above
    those of pods, but a pod can create cgroups with any name below its own: the first name counts.
    """
    parts = [part for part in _cgroup_path(text).split("/") if part not in {"", ".."}]
    if not parts or not parts[0].startswith(_ABOVE_PODS):
        return ""
    found = next((match for part in parts if (match := _POD.fullmatch(part))), None)
    # systemd's cgroup driver replaces `-` by `_`, because `-` separates the parts of a slice's name.
    return found[1].replace("_", "-") if found is not None else ""


def _cgroup_path(text: str) -> str:
    paths = {}
    for line in text.splitlines():
        _, _, rest = line.partition(":")
        controllers, colon, path = rest.partition(":")
        if colon:
            paths[controllers] = path
    return paths.get("name=systemd", paths.get("", ""))


def _holder(path: str, pid: int, target: str) -> PeerProcess | None:
    """Return the facts of the process if it holds the socket, before and after the facts are read."""
    folder = os.open(path, FOLDER_FLAGS)
    try:
        descriptors = os.open("fd", FOLDER_FLAGS, dir_fd=folder)
        try:
            number = next(_descriptors(descriptors, target), None)
            if number is None:
                return None
            facts = _facts(folder, pid)
            if os.readlink(number, dir_fd=descriptors) != target:
                raise BlockingIOError(f"process {pid} changed while it was examined")
            return facts
        finally:
            os.close(descriptors)
    finally:
        os.close(folder)


def _descriptors(folder: int, target: str) -> Iterator[str]:
    for number in os.listdir(folder):
        try:
            if os.readlink(number, dir_fd=folder) == target:
                yield number
        except FileNotFoundError:
            continue  # the descriptor was closed


def _facts(folder: int, pid: int) -> PeerProcess:
    status = file_content(folder, "status")
    text = file_content(folder, "cgroup")
    cgroup = parse_cgroup(text)
    ids = (_effective(status, "Uid:"), _effective(status, "Gid:"))
    return PeerProcess(pid, *ids, cgroup, unit_of(cgroup), pod_of_cgroup(text))


def _effective(status: str, label: str) -> int:
    """Return the second of the four ids in a line of /proc/PID/status (proc_pid_status(5))."""
    for line in status.splitlines():
        if line.startswith(label):
            return int(line.split()[2])
    raise ValueError(f"/proc/PID/status has no line `{label}`")


def file_content(folder: int, name: str) -> str:
    """Return a file of a process's folder. Raises OSError if the process has ended."""
    descriptor = os.open(name, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0), dir_fd=folder)
    try:
        return os.read(descriptor, _MOST_BYTES).decode("utf-8", "surrogateescape")
    finally:
        os.close(descriptor)
