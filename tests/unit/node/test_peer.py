"""The user at the other end of a connection, as this machine's kernel reports it."""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from dsops.node.peer import PeerLookup
from dsops.node.socket_owner import SocketOwner, SocketOwners, overflow_uid
from tests.children import SECONDS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who is at the other end of TCP")


@contextmanager
def connected(address: str = "127.0.0.1") -> Iterator[tuple[socket.socket, socket.socket]]:
    """The client's and the server's end of a TCP connection on loopback."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 0), family=family) as listener:
        client = socket.create_connection(listener.getsockname()[:2], timeout=SECONDS)
        server, _ = listener.accept()
        with client, server:
            yield client, server


def inode_of(end: socket.socket) -> int:
    """The inode of a socket."""
    return os.fstat(end.fileno()).st_ino


@pytest.mark.parametrize("uses_netlink", [True, False])
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_the_owner_is_the_process_at_the_other_end(address: str, *, uses_netlink: bool) -> None:
    """Netlink and /proc/net/tcp give the uid and inode of the client's socket, not of the server's."""
    owners = SocketOwners(uses_netlink=uses_netlink)
    try:
        with connected(address) as (client, server):
            assert owners.owner(server) == SocketOwner(os.geteuid(), inode_of(client))
            assert owners.owner(client) == SocketOwner(os.geteuid(), inode_of(server))
    finally:
        owners.close()


@pytest.mark.parametrize("uses_netlink", [True, False])
def test_a_closed_socket_has_no_owner(*, uses_netlink: bool) -> None:
    """The kernel reports uid 0 for a socket that its process has closed: that must not count as root."""
    owners = SocketOwners(uses_netlink=uses_netlink)
    try:
        with connected() as (client, server):
            client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            client.close()
            assert owners.owner(server) is None
    finally:
        owners.close()


def test_the_owner_of_a_listener_is_not_taken_for_a_client() -> None:
    """If no connection matches, the kernel may answer with a listening socket of the same port."""
    owners = SocketOwners()
    try:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            place = listener.getsockname()
            assert owners.find(socket.AF_INET, place, ("127.0.0.1", 1)) is None
    finally:
        owners.close()


def test_a_process_is_examined_on_demand() -> None:
    """The processes of a TCP connection are those that hold its socket; root may examine all of them."""
    lookup = PeerLookup()
    try:
        with connected() as (_client, server):
            peer = lookup.peer(server)
            assert peer is not None
            assert peer.uid == os.geteuid()
            assert peer.known_process is None
            if os.geteuid() == 0:
                assert [process.pid for process in peer.processes] == [os.getpid()]
                assert peer.known_process is not None
    finally:
        lookup.close()


def test_the_peer_of_a_unix_socket() -> None:
    """SO_PEERCRED has the user, and SO_PEERPIDFD (Linux 6.5) the process."""
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    lookup = PeerLookup()
    with ours, theirs:
        peer = lookup.peer(ours)
        assert peer is not None
        assert peer.uid == os.geteuid()
        assert [process.pid for process in peer.processes] in ([os.getpid()], [])
    lookup.close()


def test_a_user_of_another_namespace_is_refused() -> None:
    """The kernel shows users that this namespace does not know as the overflow uid."""
    lookup = PeerLookup()
    lookup._unknown_uid = os.geteuid()
    try:
        with connected() as (_client, server):
            assert lookup.peer(server) is None
    finally:
        lookup.close()
    assert overflow_uid("/nowhere") == 65_534


class Ends:
    """An accepted connection with these addresses."""

    family = socket.AF_INET

    def __init__(self, ours: str, theirs: str) -> None:
        self._ours = ours
        self._theirs = theirs

    def getsockname(self) -> tuple[str, int]:
        """Our address."""
        return self._ours, 80

    def getpeername(self) -> tuple[str, int]:
        """The client's address."""
        return self._theirs, 40_000


class EveryOwner(SocketOwners):
    """Reports the same owner for every connection."""

    def owner(self, connection: socket.socket) -> SocketOwner | None:
        """An owner."""
        del connection
        return SocketOwner(33, 5)


@pytest.mark.parametrize(
    ("ours", "theirs", "is_known"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.2", True),
        ("169.254.170.23", "169.254.170.23", True),
        ("169.254.170.23", "10.0.0.5", False),
        ("fd00:ec2::23", "fd00:ec2::23", True),
        ("fd00:ec2::23", "2001:db8::5", False),
        ("fd00:ec2::24", "2001:db8::5", False),
        ("127.0.0.1", "10.0.0.5", False),
    ],
)
def test_a_connection_from_another_machine_or_namespace_has_no_user(ours: str, theirs: str, *, is_known: bool) -> None:
    """Address translation could give a foreign connection the address of a socket of this machine."""
    lookup = PeerLookup(EveryOwner())
    peer = lookup.peer(Ends(ours, theirs))  # type: ignore[arg-type]
    assert (peer is not None and peer.uid is not None) is is_known
    assert peer is None or is_known or (ours in {"169.254.170.23", "fd00:ec2::23"} and not peer.processes)
    assert peer is None or not peer.is_in_pod("a")
    lookup.close()


class Netlink:
    """A netlink socket with a prepared answer."""

    def __init__(self, answer: bytes, sender: int = 0) -> None:
        self._answer = answer
        self._sender = sender

    def send(self, data: bytes) -> int:
        """Take the question."""
        return len(data)

    def recvfrom(self, _size: int) -> tuple[bytes, tuple[int, int]]:
        """The answer."""
        return self._answer, (self._sender, 0)


@pytest.mark.parametrize(
    ("port", "state", "inode", "sequence", "sender", "is_found"),
    [
        (40_000, 1, 5, 1, 0, True),
        (40_001, 1, 5, 1, 0, False),
        (40_000, 10, 5, 1, 0, False),
        (40_000, 1, 0, 1, 0, False),
        (40_000, 1, 5, 2, 0, False),
        (40_000, 1, 5, 1, 77, False),
    ],
)
def test_only_an_answer_about_this_connection_counts(
    port: int, state: int, inode: int, sequence: int, sender: int, *, is_found: bool
) -> None:
    """An answer about another port or state, for another question, or of another process proves nothing."""
    owners = SocketOwners()
    owners.close()
    place = struct.pack(
        "!HH16s16s", port, 80, socket.inet_aton("127.0.0.1") + bytes(12), socket.inet_aton("127.0.0.1") + bytes(12)
    )
    message = (
        struct.pack("=BBBB", socket.AF_INET, state, 0, 0)
        + place
        + bytes(12)
        + struct.pack("=IIIII", 0, 0, 0, 33, inode)
    )
    answer = struct.pack("=IHHII", 16 + len(message), 20, 0, sequence, 0) + message
    owners._netlink = Netlink(answer, sender)  # type: ignore[assignment]
    found = owners.find(socket.AF_INET, ("127.0.0.1", 40_000), ("127.0.0.1", 80))
    assert found == (SocketOwner(33, 5) if is_found else None)
