"""Runs pytest, then names and kills the processes that the tests left behind: `python -m tests [pytest's arguments]`.

The exit code is pytest's, or 1 if all tests passed but a process was left. On Linux this process adopts the orphans of
the tests (PR_SET_CHILD_SUBREAPER), so that it knows every process that outlives its parent, and runs pytest in a
session of its own, so that no test meets the terminal of the person who started it. Elsewhere it only runs pytest.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
GRACE_SECONDS = 5
"""Time for processes that are about to end when pytest ends."""


def descendants(pid: int) -> list[int]:
    """The ids of all living children of a process, and of their children."""
    found = []
    with suppress(OSError):
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in map(int, children.read_text(encoding="ascii").split()):
                found += [child, *descendants(child)]
    return found


def description(pid: int) -> str:
    """The command line of a process, and the test that started it if its environment or folder says so."""
    folder = Path(f"/proc/{pid}")
    try:
        command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        variables = (folder / "environ").read_bytes().split(b"\0")
        place = os.readlink(folder / "cwd")
    except OSError:
        return ""
    prefix = b"PYTEST_CURRENT_TEST="
    tests = [entry.removeprefix(prefix).decode(errors="replace") for entry in variables if entry.startswith(prefix)]
    return f"{pid} {command[:300]!r}, started by {tests[0] if tests else f'a test in {place}'}"


def reap() -> None:
    """Collect the children that have ended."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def end_leftovers() -> list[str]:
    """Kill the processes that still run after the grace period; return their descriptions."""
    end = time.monotonic() + GRACE_SECONDS
    reap()
    while (left := descendants(os.getpid())) and time.monotonic() < end:
        time.sleep(0.05)
        reap()
    described = [text for pid in left if (text := description(pid))]
    for pid in left:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return described


def wait_for(pytest: int) -> int:
    """Wait for pytest while collecting orphans that end; return its exit code, 128+n for a signal."""
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == pytest:
            code = os.waitstatus_to_exitcode(status)
            return 128 - code if code < 0 else code


def main() -> int:
    """Run pytest with the arguments of the command line."""
    command = [sys.executable, "-m", "pytest", *sys.argv[1:]]
    if sys.platform != "linux":
        os.execv(sys.executable, command)  # noqa: S606 - no shell is meant
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    pytest = os.posix_spawn(sys.executable, command, os.environ, setsid=True)
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # A signal that was ignored from the start (a background job, `nohup`) stays ignored.
        if signal.getsignal(name) is not signal.SIG_IGN:
            signal.signal(name, lambda number, _: os.kill(pytest, number))
    code = wait_for(pytest)
    if left := end_leftovers():
        print(f"error: {len(left)} process(es) left behind by the tests, and killed:", *left, sep="\n  ", flush=True)
        return code or 1
    return code


if __name__ == "__main__":
    sys.exit(main())
