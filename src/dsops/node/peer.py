"""The process at the other end of a connection, identified by the kernel and never by what the caller sends."""

from __future__ import annotations

import os
import select
import socket
import struct
from collections.abc import Callable
from ipaddress import ip_address
from typing import Final

from dsops.node.addresses import is_of_pods
from dsops.node.pods import PodConnections
from dsops.node.processes import PeerProcess, holders_of, process_facts
from dsops.node.socket_owner import SocketOwner, SocketOwners, overflow_uid

_SO_PEERPIDFD: Final = 77
"""Returns a pidfd of the process that connected (Linux 6.5). Python 3.14 has no constant for it."""
_CREDENTIALS: Final = struct.Struct("3i")
"""`struct ucred`: pid, uid, gid (unix(7))."""

_NO_PROCESSES: tuple[PeerProcess, ...] = ()


class Peer:
    """The other end of a connection: its user, and on demand the processes that hold it."""

    __slots__ = ("_find", "_is_in_pod", "_processes", "uid")

    def __init__(
        self,
        uid: int | None,
        find: Callable[[], tuple[PeerProcess, ...]] = lambda: _NO_PROCESSES,
        is_in_pod: Callable[[str], bool] | None = None,
    ) -> None:
        """`find` returns the processes that hold the connection; it may raise OSError or ValueError.

        `uid` is None for a peer in another network namespace, of which only `is_in_pod` knows more.
        """
        self.uid = uid
        self._find = find
        self._is_in_pod = is_in_pod
        self._processes: tuple[PeerProcess, ...] | None = None

    @property
    def processes(self) -> tuple[PeerProcess, ...]:
        """All processes that hold the connection, if each of them is proven and runs as `uid`; otherwise ()."""
        if self._processes is None:
            try:
                found = self._find()
            except (OSError, ValueError):
                found = ()
            self._processes = found if all(process.uid == self.uid for process in found) else ()
        return self._processes

    def is_in_pod(self, pod_uid: str) -> bool:
        """Whether it is proven that every process of the peer is in the Kubernetes pod."""
        if self._is_in_pod is not None:
            return self._is_in_pod(pod_uid)
        return bool(self.processes) and all(process.pod == pod_uid for process in self.processes)

    @property
    def known_process(self) -> PeerProcess | None:
        """The process, if it has been looked up and there is exactly one."""
        return self._processes[0] if self._processes is not None and len(self._processes) == 1 else None


class PeerLookup:
    """Identifies the peers of connections."""

    def __init__(self, owners: SocketOwners | None = None, proc: str = "/proc") -> None:
        self._owners = owners or SocketOwners(proc=proc)
        self._proc = proc
        self._unknown_uid = overflow_uid(proc)
        self._pods = PodConnections(proc)

    def close(self) -> None:
        """Close the connection to the kernel."""
        self._owners.close()

    def peer(self, connection: socket.socket) -> Peer | None:
        """Return the peer of an accepted connection; None if the kernel can't prove its user."""
        found = self._unix_peer(connection) if connection.family == socket.AF_UNIX else self._tcp_peer(connection)
        return None if found is None or found.uid == self._unknown_uid else found

    def _unix_peer(self, connection: socket.socket) -> Peer | None:
        try:
            data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        except OSError:
            return None
        _, uid, _ = _CREDENTIALS.unpack(data)
        return Peer(uid, lambda: (_connected_process(connection, self._proc),))

    def _tcp_peer(self, connection: socket.socket) -> Peer | None:
        """A connection from another network namespace has no socket here, and so no owner.

        At an address that only this machine's namespaces reach, it may be of a pod.
        """
        if not _is_of_this_machine(connection):
            is_of_pod = _is_at_address_of_pods(connection)
            return Peer(None, is_in_pod=lambda pod_uid: self._pods.hold(connection, pod_uid)) if is_of_pod else None
        owner = self._owners.owner(connection)
        if owner is None:
            return None
        return Peer(owner.uid, lambda: self._holders(connection, owner))

    def _holders(self, connection: socket.socket, owner: SocketOwner) -> tuple[PeerProcess, ...]:
        """Return the processes that hold the socket, if it is still the same socket after the search."""
        found = holders_of(owner.inode, self._proc)
        return found if self._owners.owner(connection) == owner else ()


def _is_of_this_machine(connection: socket.socket) -> bool:
    """Whether both ends have the same address, or both are loopback addresses. NAT could replace other addresses."""
    try:
        ours, theirs = connection.getsockname()[0], connection.getpeername()[0]
        return bool(ours == theirs or (ip_address(ours).is_loopback and ip_address(theirs).is_loopback))
    except (OSError, ValueError):
        return False


def _is_at_address_of_pods(connection: socket.socket) -> bool:
    try:
        return is_of_pods(ip_address(connection.getsockname()[0].partition("%")[0]))
    except (OSError, ValueError):
        return False


def _connected_process(connection: socket.socket, proc: str) -> PeerProcess:
    """Return the process that connected to a Unix socket.

    Raises OSError if it has ended. The pid of SO_PEERCRED alone proves nothing: it may belong to another process now.
    """
    pidfd = connection.getsockopt(socket.SOL_SOCKET, _SO_PEERPIDFD)
    try:
        facts = process_facts(_pid_of(pidfd, proc), proc)
        # If the process still exists now, the facts above belong to it, and not to a later process with the same pid.
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        if poll.poll(0):
            raise ProcessLookupError("the process has ended")
        return facts
    finally:
        os.close(pidfd)


def _pid_of(pidfd: int, proc: str) -> int:
    with open(f"{proc}/self/fdinfo/{pidfd}", encoding="ascii") as file:
        for line in file:
            if line.startswith("Pid:"):
                return int(line.split()[1])
    raise ValueError("the descriptor is not a pidfd")
