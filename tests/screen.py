"""A terminal whose screen a test can read: a command runs on a pseudo-terminal, and pyte draws what it writes."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import pyte

PATIENCE_SECONDS = 30


class Screen:
    """A terminal of a size, in which one command runs as the leader of a session of its own."""

    def __init__(
        self, command: Sequence[str], environ: Mapping[str, str], folder: Path, *, columns: int = 80, rows: int = 24
    ) -> None:
        self.pid, self._terminal = pty.fork()
        if not self.pid:
            os.chdir(folder)
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            os.execve(command[0], list(command), environ)  # noqa: S606 - no shell is meant
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self.written = b""
        """All bytes that the command has written."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass
        os.close(self._terminal)

    @property
    def lines(self) -> list[str]:
        """The lines of the screen that are not empty, without spaces at their ends."""
        return [line.rstrip() for line in self._screen.display if line.strip()]

    @property
    def text(self) -> str:
        """The screen as one text."""
        return "\n".join(self.lines)

    def colour(self, text: str) -> str:
        """The colour of the first character of a text on the screen; `default` for plain text."""
        row = next(number for number, line in enumerate(self._screen.display) if text in line)
        return str(self._screen.buffer[row][self._screen.display[row].index(text)].fg)

    def resize(self, columns: int, rows: int = 24) -> None:
        """Resize the terminal, which signals that to the command."""
        self._screen.resize(rows, columns)
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text: str) -> None:
        """Type text; an ASCII control character stands for Ctrl and a letter."""
        os.write(self._terminal, text.encode())

    def expect(self, text: str) -> str:
        """Wait until the text is on the screen; returns the screen."""
        return self._wait(lambda: text in self.text, f"{text!r}")

    def expect_gone(self, text: str) -> str:
        """Wait until the text is no longer on the screen; returns the screen."""
        return self._wait(lambda: text not in self.text, f"the end of {text!r}")

    def _wait(self, is_done: object, what: str) -> str:
        assert callable(is_done)
        end = time.monotonic() + PATIENCE_SECONDS
        while not is_done():
            ready, _, _ = select.select([self._terminal], [], [], max(0, end - time.monotonic()))
            assert ready, f"waited in vain for {what}, the screen says\n{self.text}"
            assert self._read() or is_done(), f"the command ended before {what}, the screen says\n{self.text}"
        return self.text

    def _read(self) -> bool:
        try:
            data = os.read(self._terminal, 65536)
        except OSError:
            return False
        self.written += data
        self._stream.feed(data)
        return bool(data)

    def code(self) -> int:
        """Wait for the command's end; returns its exit code, negative for a signal."""
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end:
            if select.select([self._terminal], [], [], 0.02)[0]:
                self._read()
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                while select.select([self._terminal], [], [], 0.02)[0] and self._read():
                    pass
                return os.waitstatus_to_exitcode(status)
        raise AssertionError(f"the command does not end, the screen says\n{self.text}")
