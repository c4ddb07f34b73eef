"""A pseudo-terminal for tests: runs a command, types text and reads the screen."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import textwrap
import time
from typing import Self

PATIENCE_SECONDS = 20
"""Timeout for events that should happen at once."""


def python(body: str, *arguments: str) -> list[str]:
    """The command line that runs this code in a new Python."""
    return [sys.executable, "-c", textwrap.dedent(body), *arguments]


class Terminal:
    """A terminal with a separate session, in which a command runs."""

    def __init__(self, command: list[str]) -> None:
        self.pid, self._descriptor = pty.fork()
        if not self.pid:
            os.execvp(command[0], command)  # noqa: S606 - no shell is meant
        self.text = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)
        try:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass

    def resize(self, columns: int) -> None:
        """Resize the terminal."""
        fcntl.ioctl(self._descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def type(self, text: str) -> None:
        """Type text; an ASCII control character stands for Ctrl and a letter."""
        os.write(self._descriptor, text.encode())

    def expect(self, text: str) -> str:
        """Wait until the text is on the screen; returns and consumes the output up to it."""
        end = time.monotonic() + PATIENCE_SECONDS
        while text not in self.text:
            ready, _, _ = select.select([self._descriptor], [], [], max(0, end - time.monotonic()))
            assert ready, f"waited in vain for {text!r}, the screen says {self.text!r}"
            try:
                self.text += os.read(self._descriptor, 4096).decode()
            except OSError:
                assert text in self.text, f"the terminal closed before {text!r}: {self.text!r}"
        before, _, self.text = self.text.partition(text)
        return before + text

    def code(self) -> int:
        """Wait for the command's end; returns its exit code, negative for a signal."""
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.01)
        raise AssertionError("it does not end")
