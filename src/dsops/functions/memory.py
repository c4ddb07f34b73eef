"""Measure the memory of a process' descendants (Linux only, proc(5))."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress

_COUNTED = ("Pss_Anon:", "Pss_Shmem:")
"""Resident memory without mapped files. Memory that processes share is divided among them."""


def memory_use(pid: int) -> int:
    """Return the bytes that the descendants of the process use."""
    used, waiting = 0, list(_children(pid))
    while waiting:
        current = waiting.pop()
        with suppress(OSError, ValueError), open(f"/proc/{current}/smaps_rollup", encoding="ascii") as file:
            used += sum(int(line.split()[1]) * 1024 for line in file if line.startswith(_COUNTED))
        waiting += _children(current)
    return used


def is_measurable() -> bool:
    """Whether this machine's kernel lists the children of a process and their memory (Linux 5.3 or later)."""
    with suppress(OSError), open("/proc/self/smaps_rollup", encoding="ascii") as file:
        return _COUNTED[0] in file.read() and os.path.exists(f"/proc/self/task/{os.getpid()}/children")
    return False


def _children(pid: int) -> Iterator[int]:
    """Yield the children of a process; nothing if it has ended."""
    with suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with suppress(OSError), open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as file:
                yield from map(int, file.read().split())
