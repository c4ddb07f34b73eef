"""A pseudo-terminal for tests: runs a command, types text and reads the output, or the screen as a person sees it."""

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
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import pyte

from tests.children import wait_for

PATIENCE_SECONDS = 60
"""Timeout for events that should happen at once."""

ROWS = 24


def python(body: str, *arguments: str) -> list[str]:
    """The command line that runs this code in a new Python."""
    return [sys.executable, "-c", textwrap.dedent(body), *arguments]


def _set_size(descriptor: int, columns: int, rows: int = ROWS) -> None:
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


class Terminal:
    """A terminal with a separate session, in which a command runs; so wide that no sentence is wrapped."""

    def __init__(
        self,
        command: list[str],
        *,
        columns: int = 1000,
        rows: int = ROWS,
        environ: Mapping[str, str] = os.environ,
        folder: Path | None = None,
    ) -> None:
        started, starting = os.pipe()  # closed by exec
        self.pid, self._descriptor = pty.fork()
        if not self.pid:
            _set_size(0, columns, rows)
            if folder:
                os.chdir(folder)
            os.execvpe(command[0], command, environ)  # noqa: S606 - no shell is meant
        os.close(starting)
        os.read(started, 1)  # until exec, so that a later `resize` is not overridden
        os.close(started)
        self.text = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)
        try:
            os.kill(self.pid, signal.SIGKILL)
            wait_for(self.pid)
        except (ProcessLookupError, ChildProcessError):
            pass

    def resize(self, columns: int) -> None:
        """Resize the terminal."""
        _set_size(self._descriptor, columns)

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


class Screen(Terminal):
    """A terminal whose screen is read as a person sees it: rows of text, with their colours."""

    def __init__(
        self,
        command: list[str],
        *,
        columns: int,
        rows: int = ROWS,
        environ: Mapping[str, str] = os.environ,
        folder: Path | None = None,
    ) -> None:
        super().__init__(command, columns=columns, rows=rows, environ=environ, folder=folder)
        self._display = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._display)
        self._is_closed = False
        self.written = b""
        """All bytes that the command has written."""

    @property
    def columns(self) -> int:
        """The width."""
        return int(self._display.columns)

    @property
    def is_closed(self) -> bool:
        """Whether the program has closed the terminal."""
        return self._is_closed

    def rows(self) -> list[str]:
        """The rows down to the last one with text, without trailing spaces."""
        rows = [row.rstrip() for row in self._display.display]
        while rows and not rows[-1]:
            rows.pop()
        return rows

    def resize(self, columns: int, rows: int = ROWS) -> None:
        """Resize the terminal and the screen."""
        self._display.resize(rows, columns)
        _set_size(self._descriptor, columns, rows)

    def lines(self) -> list[str]:
        """The rows that are not empty."""
        return [row for row in self.rows() if row]

    def shown(self) -> str:
        """The screen as one text."""
        return "\n".join(self.rows())

    def style(self, text: str) -> str:
        """The style of the first character of a text on the screen: `bold red`; "" for plain text."""
        row = next(number for number, row in enumerate(self._display.display) if text in row)
        character = self._display.buffer[row][self._display.display[row].index(text)]
        colour = "" if character.fg == "default" else character.fg
        return " ".join(part for part in ("bold" if character.bold else "", colour) if part)

    def cell(self, row: int, column: int) -> tuple[str, str, bool, bool]:
        """The character at a position, its colour, and whether it is bold or reversed."""
        character = self._display.buffer[row][column]
        return character.data, str(character.fg), bool(character.bold), bool(character.reverse)

    def look(self, seconds: float) -> None:
        """Read what the program writes for so long; ends early if the program closes the terminal."""
        end = time.monotonic() + seconds
        while not self._is_closed and (left := end - time.monotonic()) > 0:
            if select.select([self._descriptor], [], [], left)[0]:
                self._read()

    def wait_for(self, text: str, *, is_there: bool = True) -> float:
        """Wait until the text is on the screen, or gone from it; returns the seconds that it took."""
        begun = time.monotonic()
        while (text in self.shown()) is not is_there:
            seconds = time.monotonic() - begun
            assert seconds < PATIENCE_SECONDS, f"waited in vain for {text!r}, the screen says\n{self.shown()}"
            assert not self._is_closed, f"the terminal closed before {text!r}:\n{self.shown()}"
            self.look(0.05)
        return time.monotonic() - begun

    def finish(self) -> int:
        """Read until the program ends; returns its exit code."""
        self.look(PATIENCE_SECONDS)
        return self.code()

    def _read(self) -> None:
        try:
            data = os.read(self._descriptor, 65_536)
        except OSError:
            data = b""
        self._is_closed = not data
        self.written += data
        self._stream.feed(data)
