"""Which pod a process and a connection belong to: names of cgroups, and tables of connections."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from dsops.node.peer import Peer
from dsops.node.pods import PodConnections
from dsops.node.processes import PeerProcess, pod_of_cgroup
from dsops.node.socket_owner import is_connected

UID = "8d1c3c5e-0b6a-4b3f-9a53-0f1d7f3f7a11"
UNIT = UID.replace("-", "_")


@pytest.mark.parametrize(
    ("text", "pod"),
    [
        (f"0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{UNIT}.slice/cri-1.scope", UID),
        (f"0::/kubepods.slice/kubepods-pod{UNIT}.slice/cri-1.scope", UID),
        (f"0::/kubepods/besteffort/pod{UID}/1f2e", UID),
        (f"12:cpu:/other\n1:name=systemd:/kubepods/pod{UID}/1f2e\n0::/", UID),
        (f"0::/../../kubepods-burstable-pod{UNIT}.slice/cri-1.scope", UID),
        (f"0::/../../../burstable/pod{UID}/1f2e", UID),
        ("0::/kubepods/pod0a1b/1f2e", "0a1b"),
        (f"0::/kubepods/podother/1f2e/kubepods/pod{UID}", "other"),
        (f"0::/user.slice/user-1000.slice/user@1000.service/kubepods/pod{UID}", ""),
        (f"0::/system.slice/docker-1.scope/kubepods/pod{UID}", ""),
        (f"0::/../../user.slice/kubepods/pod{UID}", ""),
        ("0::/kubepods.slice/kubepods-burstable.slice", ""),
        ("0::/", ""),
        ("", ""),
    ],
)
def test_the_pod_of_a_cgroup(text: str, pod: str) -> None:
    """The first name of a pod counts, below the kubelet's cgroups only: others may be a pod's or user's own."""
    assert pod_of_cgroup(text) == pod


def process(pod: str) -> PeerProcess:
    """A process in a pod."""
    return PeerProcess(7, 0, 0, "", "", pod)


@pytest.mark.parametrize(
    ("processes", "is_in_pod"),
    [((process(UID),), True), ((process(UID), process("")), False), ((process("other"),), False), ((), False)],
)
def test_each_process_of_a_peer_must_be_in_the_pod(processes: tuple[PeerProcess, ...], *, is_in_pod: bool) -> None:
    """A socket that is shared with a process outside, or whose processes are unknown, is in no pod."""
    assert Peer(0, lambda: processes).is_in_pod(UID) == is_in_pod


LINE = "   0: 0202FEA9:9C40 17AAFEA9:0050 01 00000000:00000000 00:00000000 00000000  0        0 5 1 0\n"
SOURCE, TARGET = ("169.254.2.2", 40_000), ("169.254.170.23", 80)
little = pytest.mark.skipif(sys.byteorder != "little", reason="the lines of the test are of a little-endian machine")


@little
def test_a_connection_is_found_in_the_tables_of_both_families() -> None:
    """An IPv6 socket may have an IPv4 connection. Other ports, and sockets that wait or listen, do not count."""
    mapped = LINE.replace("0202FEA9", "0000000000000000FFFF00000202FEA9").replace(
        "17AAFEA9", "0000000000000000FFFF000017AAFEA9"
    )
    assert is_connected([LINE], SOURCE, TARGET)
    assert is_connected(["  sl  local_address rem_address   st\n", mapped], SOURCE, TARGET)
    assert not is_connected([LINE], SOURCE, ("169.254.170.23", 81))
    assert not is_connected([LINE], TARGET, SOURCE)
    assert not is_connected([LINE.replace(" 01 ", " 06 ")], SOURCE, TARGET)


class Connection(socket.socket):
    """An accepted connection from a pod, as Python shows it."""

    def getpeername(self) -> tuple[str, int]:
        """The pod's end."""
        return SOURCE

    def getsockname(self) -> tuple[str, int]:
        """The node's end."""
        return TARGET


@little
@pytest.mark.skipif(sys.platform == "win32", reason="the node runs on Linux")
def test_the_namespace_of_the_pod_has_the_connection(tmp_path: Path) -> None:
    """The pod whose namespace has the connection is the caller; a pid that is reused proves nothing."""

    def write(pid: int, pod: str, table: str) -> None:
        (tmp_path / f"{pid}" / "net").mkdir(parents=True, exist_ok=True)
        (tmp_path / f"{pid}" / "cgroup").write_text(f"0::/kubepods/pod{pod}/1f2e\n")
        for name in ("tcp", "tcp6"):
            (tmp_path / f"{pid}" / "net" / name).write_text(table)

    (tmp_path / "self").mkdir()
    (tmp_path / "3").mkdir()
    write(5, "thief", "")
    write(7, UID, LINE)
    connections = PodConnections(str(tmp_path))
    with Connection() as connection:
        assert connections.hold(connection, UID)
        assert not connections.hold(connection, "thief")
        assert not connections.hold(connection, "gone")
        write(7, "other", LINE)
        assert not connections.hold(connection, UID)
        write(9, UID, LINE)
        assert connections.hold(connection, UID)
