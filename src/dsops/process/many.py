"""Run one command several times side by side, each time with other environment variables; collect its output."""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import IO, NamedTuple

STDOUT, STDERR = 1, 2
LONGEST_LINE = 1 << 20
"""The maximum length of a line in bytes. A longer line is passed on in parts.

Otherwise, the output of a command without newlines would fill the memory.
"""

_CHUNK = 65_536


class CommandResult(NamedTuple):
    """The result of one run of the command."""

    name: str
    exit_code: int
    """The command's exit code; 128 plus the signal's number if a signal ended the command."""
    seconds: float


class SideBySide:
    """Runs a command several times, at most `jobs` at the same time, without standard input.

    `on_line` gets the name of the run, the stream (STDOUT or STDERR), and a line of output with its newline. Several
    threads call it, but never at the same time. A line has no newline if it is the last line of a stream without one,
    or a part of a very long line.
    """

    def __init__(
        self, command: str, arguments: Sequence[str], *, jobs: int, on_line: Callable[[str, int, bytes], None]
    ) -> None:
        self._command = command
        self._arguments = arguments
        self._on_line = on_line
        self._pool = ThreadPoolExecutor(jobs)
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._is_stopped = False

    def start(self, name: str, environment: Mapping[bytes, bytes]) -> Future[CommandResult | None]:
        """Run the command as soon as fewer than `jobs` are running. The result is None if `stop` was called first.

        The future raises OSError if the command can't be started, and the exceptions of `on_line`.
        """
        return self._pool.submit(self._run, name, environment)

    def stop(self, number: int) -> None:
        """Start no further command, and send the signal to the running commands."""
        with self._lock:
            self._is_stopped = True
            running = list(self._running)
        for process in running:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)

    def close(self) -> None:
        """Wait until the last command has ended."""
        self._pool.shutdown()

    def _run(self, name: str, environment: Mapping[bytes, bytes]) -> CommandResult | None:
        started = time.monotonic()
        with self._lock:
            if self._is_stopped:
                return None
            process = subprocess.Popen(
                self._arguments,
                executable=self._command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            self._running.add(process)
        try:
            self._read_lines(name, process)
            code = process.wait()
        except BaseException:
            process.kill()
            raise
        finally:
            with self._lock:
                self._running.discard(process)
        return CommandResult(name, code if code >= 0 else 128 - code, time.monotonic() - started)

    def _read_lines(self, name: str, process: subprocess.Popen[bytes]) -> None:
        pipes: dict[int, IO[bytes]] = {STDOUT: _pipe(process.stdout), STDERR: _pipe(process.stderr)}
        splitters = {STDOUT: LineSplitter(), STDERR: LineSplitter()}
        with selectors.DefaultSelector() as selector, pipes[STDOUT], pipes[STDERR]:
            for number, pipe in pipes.items():
                selector.register(pipe, selectors.EVENT_READ, number)
            while selector.get_map():
                for key, _ in selector.select():
                    stream = int(key.data)
                    data = os.read(key.fd, _CHUNK)
                    lines = splitters[stream].feed(data) if data else splitters[stream].end()
                    if not data:
                        selector.unregister(key.fileobj)
                    with self._lock:
                        for line in lines:
                            self._on_line(name, stream, line)


class LineSplitter:
    """Splits a stream into lines; joins the pieces of a line only once, however small they are."""

    def __init__(self, longest: int = LONGEST_LINE) -> None:
        self._longest = longest
        self._pieces: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that end in this data, each with its newline."""
        lines = []
        *whole, rest = data.split(b"\n")
        for piece in [*[line + b"\n" for line in whole], rest]:
            self._pieces.append(piece)
            self._size += len(piece)
            if piece.endswith(b"\n") or self._size >= self._longest:
                lines += self.end()
        return lines

    def end(self) -> list[bytes]:
        """Return the text since the last newline, if there is any."""
        line = b"".join(self._pieces)
        self._pieces, self._size = [], 0
        return [line] if line else []


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise ValueError("the command was started with pipes")
    return pipe
