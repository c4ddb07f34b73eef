"""The owner of the other end of a TCP connection on this machine: asks the kernel over NETLINK_SOCK_DIAG.

Where netlink is not available, /proc/net/tcp has the same facts. The uid is that of the process that created the
socket. The kernel reports uid 0 for a socket without a process, so only established sockets with an inode count.
"""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Iterable
from typing import Final, NamedTuple

_NETLINK_SOCK_DIAG: Final = 4
_SOCK_DIAG_BY_FAMILY: Final = 20
_NLM_F_REQUEST: Final = 1
_ESTABLISHED: Final = 1
_NO_COOKIE: Final = b"\xff" * 8
_HEADER: Final = struct.Struct("=IHHII")
"""`struct nlmsghdr` (netlink(7)): length, type, flags, sequence, port id."""
_REQUEST: Final = struct.Struct("=BBBBI")
"""The start of `struct inet_diag_req_v2` (sock_diag(7)): family, protocol, extensions, padding, states."""
_SOCKET: Final = struct.Struct("!HH16s16s")
"""The start of `struct inet_diag_sockid`: ports and addresses of both ends in network byte order."""
_ANSWER: Final = struct.Struct("=BBBB48sIIIII")
"""`struct inet_diag_msg`: family, state, timer, retransmissions, socket, expires, queues (2), uid, inode."""
_PATIENCE_SECONDS: Final = 1.0
_ANSWERS: Final = 4
"""The maximum number of messages to read until the answer with the right sequence number."""


class SocketOwner(NamedTuple):
    """The owner of an established TCP socket of this machine."""

    uid: int
    inode: int


class SocketOwners:
    """Finds the owners of sockets. Used by one thread."""

    def __init__(self, *, proc: str = "/proc", uses_netlink: bool = True) -> None:
        self._proc = proc
        self._sequence = 0
        self._netlink: socket.socket | None = None
        if uses_netlink and sys.platform == "linux":
            try:
                self._netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, _NETLINK_SOCK_DIAG)
                self._netlink.settimeout(_PATIENCE_SECONDS)
            except OSError:
                self._netlink = None

    def close(self) -> None:
        """Close the netlink socket."""
        if self._netlink is not None:
            self._netlink.close()

    def owner(self, connection: socket.socket) -> SocketOwner | None:
        """Return the owner of the other end of an accepted connection; None if the kernel can't prove it."""
        try:
            ours, theirs = connection.getsockname()[:2], connection.getpeername()[:2]
            return self.find(connection.family, theirs, ours)
        except (OSError, ValueError, struct.error):
            return None

    def find(self, family: int, source: tuple[str, int], target: tuple[str, int]) -> SocketOwner | None:
        """Return the owner of the socket with the local address `source` that is connected to `target`.

        Raises OSError, or ValueError for an answer in another format.
        """
        if self._netlink is None:
            return _from_proc(
                f"{self._proc}/net/{'tcp6' if family == socket.AF_INET6 else 'tcp'}", family, source, target
            )
        wanted = _SOCKET.pack(source[1], target[1], _packed(family, source[0]), _packed(family, target[0]))
        self._sequence = (self._sequence + 1) % (1 << 32)
        request = _REQUEST.pack(family, socket.IPPROTO_TCP, 0, 0, 0xFFFFFFFF) + wanted + bytes(4) + _NO_COOKIE
        header = _HEADER.pack(_HEADER.size + len(request), _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, self._sequence, 0)
        self._netlink.send(header + request)
        for _ in range(_ANSWERS):
            data, sender = self._netlink.recvfrom(8192)
            _, kind, _, sequence, _ = _HEADER.unpack_from(data)
            if sequence == self._sequence and sender[0] == 0:
                return _parse(data, family, wanted) if kind == _SOCK_DIAG_BY_FAMILY else None
        return None


def _parse(data: bytes, family: int, wanted: bytes) -> SocketOwner | None:
    """Return the owner in the kernel's answer, if the answer is about exactly this connection."""
    found, state, _, _, identity, _, _, _, uid, inode = _ANSWER.unpack_from(data, _HEADER.size)
    is_meant = found == family and identity.startswith(wanted)
    return SocketOwner(uid, inode) if is_meant and state == _ESTABLISHED and inode else None


def _packed(family: int, address: str) -> bytes:
    return socket.inet_pton(family, address.partition("%")[0]).ljust(16, b"\0")


def _from_proc(path: str, family: int, source: tuple[str, int], target: tuple[str, int]) -> SocketOwner | None:
    """Search /proc/net/tcp (proc_net_tcp(5)), whose addresses are words in the machine's byte order."""
    pair = [_written(family, source), _written(family, target)]
    with open(path, encoding="ascii") as file:
        for line in file:
            words = line.split()
            if words[1:3] == pair:
                uid, inode, state = int(words[7]), int(words[9]), int(words[3], 16)
                return SocketOwner(uid, inode) if state == _ESTABLISHED and inode else None
    return None


def is_connected(lines: Iterable[str], source: tuple[str, int], target: tuple[str, int]) -> bool:
    """Whether the lines of a table /proc/PID/net/tcp or tcp6 have the connection from `source` to `target`."""
    families = (socket.AF_INET6,) if ":" in source[0] else (socket.AF_INET, socket.AF_INET6)
    wanted = [[_written(family, _mapped(family, place)) for place in (source, target)] for family in families]
    return any(words[1:3] in wanted and int(words[3], 16) == _ESTABLISHED for words in map(str.split, lines))


def _mapped(family: int, place: tuple[str, int]) -> tuple[str, int]:
    """Return an IPv4 address as an IPv6 socket shows it."""
    is_mapped = family == socket.AF_INET6 and ":" not in place[0]
    return (f"::ffff:{place[0]}" if is_mapped else place[0], place[1])


def _written(family: int, place: tuple[str, int]) -> str:
    data = socket.inet_pton(family, place[0].partition("%")[0])
    words = struct.unpack(f"={len(data) // 4}I", data)
    return f"{''.join(f'{word:08X}' for word in words)}:{place[1]:04X}"


def overflow_uid(proc: str = "/proc") -> int:
    """Return the uid that the kernel reports for users that this user namespace does not know; usually 65534."""
    try:
        with open(f"{proc}/sys/kernel/overflowuid", encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return 65_534
