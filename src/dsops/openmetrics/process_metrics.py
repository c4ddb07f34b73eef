"""Standard process metrics, under the names that Prometheus' client libraries use."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from functools import cache

from dsops.openmetrics import Gauge, Info, Metric, ReadCounter

_MOST_LOOKED_AT = 65536


def process_metrics(prefix: str, started: float) -> list[Metric]:
    """Return metrics of version, start time, CPU time, memory and open files. `started` is in seconds since 1970."""
    return [
        Info(f"{prefix}_build_info", "Versions of dsops and of Python.", ("version", "python"), build),
        Gauge("process_start_time_seconds", "When the process started, in seconds since 1970.", lambda: started),
        ReadCounter("process_cpu_seconds", "CPU time of the process, in seconds.", time.process_time),
        Gauge("process_resident_memory_bytes", "Resident memory of the process, in bytes.", resident_bytes),
        Gauge("process_open_fds", "Open file descriptors of the process.", open_files),
        Gauge("process_max_fds", "Limit of open file descriptors of the process.", most_files),
    ]


@cache
def build() -> tuple[str, str]:
    """Return the versions of dsops and Python. Called at the first scrape, since the lookup takes ten milliseconds."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    try:
        ours = version("dsops")
    except PackageNotFoundError:
        ours = "unknown"
    return ours, platform.python_version()


def resident_bytes() -> float | None:
    """Return the resident memory in bytes, or None if the system does not report it."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None


def open_files() -> float | None:
    """Return the number of open file descriptors, or None if the system does not report it."""
    for folder in ("/proc/self/fd", "/dev/fd"):
        with suppress(OSError):
            return len(os.listdir(folder)) - 1  # the listing itself opened one descriptor, which is subtracted
    # A process that is not dumpable (PR_SET_DUMPABLE) can't list its own descriptors, so each number is tried.
    most = most_files()
    return None if most is None else sum(map(_is_open, range(int(min(most, _MOST_LOOKED_AT)))))


def most_files() -> float | None:
    """Return the current limit of open files, or None if there is no limit."""
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
