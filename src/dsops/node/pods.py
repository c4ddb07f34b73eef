"""Which Kubernetes pod a connection from another network namespace comes from, according to the kernel.

The pod's namespace has the connection in its table, which /proc shows for each process of the pod. The kubelet puts
these processes into a cgroup that is named after the pod's uid.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

from dsops.node.processes import FOLDER_FLAGS, file_content, pod_of_cgroup
from dsops.node.socket_owner import is_connected


class PodConnections:
    """Finds out whether a connection comes from a pod. Used by one thread."""

    def __init__(self, proc: str = "/proc") -> None:
        self._proc = proc
        self._known: dict[str, str] = {}
        """A process of each pod, by the pod's uid. It is checked at each use, because pids are reused."""

    def hold(self, connection: socket.socket, pod_uid: str) -> bool:
        """Whether the other end of an accepted connection is in the network namespace of the pod."""
        try:
            source, target = connection.getpeername()[:2], connection.getsockname()[:2]
            known = self._known.get(pod_uid, "")
            if known and self._holds(known, pod_uid, source, target):
                return True
            for pid in self._processes():
                if self._holds(pid, pod_uid, source, target):
                    self._known[pod_uid] = pid
                    return True
        except (OSError, ValueError):
            pass
        self._known.pop(pod_uid, None)
        return False

    def _processes(self) -> Iterator[str]:
        return (name for name in os.listdir(self._proc) if name.isascii() and name.isdigit())

    def _holds(self, pid: str, pod_uid: str, source: tuple[str, int], target: tuple[str, int]) -> bool:
        try:
            # Reads through a descriptor fail after the process has ended, even if its pid is in use again.
            folder = os.open(f"{self._proc}/{pid}", FOLDER_FLAGS)
        except OSError:
            return False
        try:
            if pod_of_cgroup(file_content(folder, "cgroup")) != pod_uid:
                return False
            return any(is_connected(_lines(folder, name), source, target) for name in ("net/tcp", "net/tcp6"))
        except OSError:
            return False
        finally:
            os.close(folder)


def _lines(folder: int, name: str) -> list[str]:
    descriptor = os.open(name, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0), dir_fd=folder)
    with open(descriptor, encoding="ascii") as file:
        return file.readlines()
