"""Run one command several times side by side, each time with another environment, and collect what it prints."""

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
_CHUNK = 65_536


class CommandResult(NamedTuple):
    """The result of one run of the command."""

    name: str
    exit_code: int
    """The command's exit code; 128 plus the signal's number if a signal ended the command."""
    seconds: float


class SideBySide:
    """Runs a command several times, at most `jobs` at the same time, without standard input.

    `on_line` gets each line of output with the name and the stream, STDOUT or STDERR. Several threads call it, but
    one at a time. The last line of a stream may lack its newline.
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
        rests = {STDOUT: b"", STDERR: b""}
        with selectors.DefaultSelector() as selector, pipes[STDOUT], pipes[STDERR]:
            for number, pipe in pipes.items():
                selector.register(pipe, selectors.EVENT_READ, number)
            while selector.get_map():
                for key, _ in selector.select():
                    stream = int(key.data)
                    data = os.read(key.fd, _CHUNK)
                    if not data:
                        selector.unregister(key.fileobj)
                    *lines, rests[stream] = (rests[stream] + data).split(b"\n")
                    if not data and rests[stream]:
                        lines.append(rests[stream])
                    with self._lock:
                        for line in lines:
                            self._on_line(name, stream, line)


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise ValueError("the command was started with pipes")
    return pipe
