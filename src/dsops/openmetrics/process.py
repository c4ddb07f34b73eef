"""What every process tells of itself, under the names that Prometheus' client libraries give it."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from functools import cache

from dsops.openmetrics import Gauge, Info, Metric, ReadCounter

_MOST_LOOKED_AT = 65536


def process_metrics(prefix: str, started: float) -> list[Metric]:
    """Version, start, CPU time, memory, open files; `started` is in seconds since 1970."""
    return [
        Info(f"{prefix}_build_info", "Which dsops this is, and which Python runs it.", ("version", "python"), build),
        Gauge("process_start_time_seconds", "When the process started, in seconds since 1970.", lambda: started),
        ReadCounter("process_cpu_seconds", "CPU time of the process, in seconds.", time.process_time),
        Gauge("process_resident_memory_bytes", "Memory of the process that is in RAM.", resident_bytes),
        Gauge("process_open_fds", "Files and connections that the process has open.", open_files),
        Gauge("process_max_fds", "How many it may have.", most_files),
    ]


@cache
def build() -> tuple[str, str]:
    """dsops' version and Python's; looked up when somebody asks, which takes ten milliseconds."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    try:
        ours = version("dsops")
    except PackageNotFoundError:
        ours = "unknown"
    return ours, platform.python_version()


def resident_bytes() -> float | None:
    """Memory now; None where the system doesn't tell."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None


def open_files() -> float | None:
    """How many descriptors are open; None where the system doesn't tell."""
    for folder in ("/proc/self/fd", "/dev/fd"):
        with suppress(OSError):
            return len(os.listdir(folder)) - 1  # one is the listing's own
    # A process that nobody may look into (PR_SET_DUMPABLE) can't list its own either.
    most = most_files()
    return None if most is None else sum(map(_is_open, range(int(min(most, _MOST_LOOKED_AT)))))


def most_files() -> float | None:
    """The limit that counts now; None without one."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return None if soft == resource.RLIM_INFINITY else soft
    return None


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True
