"""Children of tests: signals are set to their defaults, every wait has an end, and a failed test's child is killed.

A program that was started in the background of a script, or with `nohup`, ignores SIGINT or SIGHUP, and so do its
children: a test that sends the signal would wait forever.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

SECONDS = 100
"""The longest wait for a child or a thread; pytest ends a test after 120 s."""

_PYTHONS_OWN = {signal.SIGPIPE, getattr(signal, "SIGXFSZ", signal.SIGPIPE)}
"""Signals that every Python ignores, and that `subprocess` sets to their defaults in a child."""


class _Child(subprocess.Popen[Any]):
    """A process that is killed at the end of its `with` block if the test failed or the process does not end."""

    def wait(self, timeout: float | None = SECONDS) -> int:
        """Wait for the end, by default for a limited time; return the exit code."""
        return super().wait(timeout)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            self.kill()
        try:
            super().__exit__(kind, error, traceback)
        except subprocess.TimeoutExpired:
            self.kill()
            raise


if TYPE_CHECKING:
    # From the arguments of a subclass mypy does not infer whether the streams are text.
    Child = subprocess.Popen
else:
    Child = _Child


def wait_for(pid: int, seconds: float = SECONDS) -> int:
    """Wait for a forked child; return its exit code, negative for a signal. Kills it and raises after the time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    raise TimeoutError(f"the child {pid} did not end within {seconds} s")


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """Handle a signal by doing nothing."""


def restore_defaults_in_children() -> None:
    """Make children start with default signals, though this process goes on ignoring those that it ignored.

    `exec` keeps an ignored signal ignored, but sets a signal with a handler to its default. SIGINT gets Python's own
    handler, for tests that interrupt themselves: `python -m tests` keeps the terminal's SIGINT away.
    """
    for number in signal.valid_signals() - _PYTHONS_OWN:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else _nothing)
