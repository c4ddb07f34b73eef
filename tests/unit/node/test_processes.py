"""What /proc proves about the processes that hold a connection."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dsops.node.processes import PeerProcess, holders_of, parse_cgroup, process_facts, unit_of


@pytest.mark.parametrize(
    ("cgroup", "unit"),
    [
        ("/system.slice/web.service", "web.service"),
        ("/system.slice/system-getty.slice/getty@tty1.service", "getty@tty1.service"),
        ("/system.slice/web.service/worker", "web.service"),
        ("/user.slice/user-1000.slice/user@1000.service/app.slice/web.service", "user@1000.service"),
        ("/user.slice/user-1000.slice/session-3.scope", "session-3.scope"),
        ("/system.slice", ""),
        ("/docker/0123/web.service", ""),
        ("/", ""),
        ("", ""),
    ],
)
def test_a_unit_is_the_first_part_below_the_slices(cgroup: str, unit: str) -> None:
    """A cgroup that a user made below the own `user@.service` is not the system's unit of the same name."""
    assert unit_of(cgroup) == unit


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("0::/system.slice/web.service\n", "/system.slice/web.service"),
        ("9:name=systemd:/system.slice/web.service\n8:pids:/x\n0::/\n", "/system.slice/web.service"),
        ("8:pids:/system.slice/web.service\n", ""),
        ("0::/../../system.slice/web.service\n", ""),
        ("0::/system.slice/web.service (deleted)\n", ""),
        ("0::/a:b/c\n", "/a:b/c"),
        ("", ""),
    ],
)
def test_the_path_is_that_of_systemds_hierarchy(text: str, path: str) -> None:
    """cgroup v2 has one hierarchy; with v1, systemd has its own. Paths of another namespace prove nothing."""
    assert parse_cgroup(text) == path


def test_the_facts_of_this_process() -> None:
    """The effective user and group of a running process."""
    facts = process_facts(os.getpid())
    assert (facts.pid, facts.uid, facts.gid) == (os.getpid(), os.geteuid(), os.getegid())


def write_process(proc: Path, pid: int, *, uid: int = 33, cgroup: str = "/system.slice/web.service") -> Path:
    """A folder like those of /proc."""
    folder = proc / str(pid)
    (folder / "fd").mkdir(parents=True)
    (folder / "status").write_text(f"Name:\tx\nUid:\t1\t{uid}\t3\t4\nGid:\t5\t6\t7\t8\n")
    (folder / "cgroup").write_text(f"0::{cgroup}\n")
    return folder


def test_every_holder_of_a_socket_is_found(tmp_path: Path) -> None:
    """A socket that several processes hold has them all; processes without it are left out."""
    for pid, links in ((7, ["socket:[5]"]), (8, ["/dev/null", "socket:[5]"]), (9, ["socket:[55]"])):
        folder = write_process(tmp_path, pid)
        for number, target in enumerate(links):
            (folder / "fd" / str(number)).symlink_to(target)
    (tmp_path / "self").mkdir()
    found = sorted(holders_of(5, str(tmp_path)))
    assert found == [PeerProcess(pid, 33, 6, "/system.slice/web.service", "web.service") for pid in (7, 8)]


def test_a_process_that_ends_during_the_search_is_left_out(tmp_path: Path) -> None:
    """A folder of /proc that disappears belongs to a process that has ended, and holds nothing."""
    write_process(tmp_path, 7)
    (tmp_path / "7" / "fd").rmdir()
    assert holders_of(5, str(tmp_path)) == ()


def test_a_process_in_another_format_proves_nothing(tmp_path: Path) -> None:
    """Without the line of user ids, there are no facts."""
    folder = write_process(tmp_path, 7)
    (folder / "status").write_text("Name:\tx\n")
    with pytest.raises(ValueError, match="Uid:"):
        process_facts(7, str(tmp_path))
