"""Run a command from the configuration and return its output. Size and time are limited."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from select import select
from time import monotonic
from typing import IO, TYPE_CHECKING

from dsops.errors import DsopsError
from dsops.runtime import Runtime

if TYPE_CHECKING:
    import subprocess

_SECONDS = 60.0
"""The timeout of a command. It is long enough for the user to touch a security key."""

_PIECE_BYTES = 4096
_TOLD_BYTES = 65536
"""The maximum number of bytes of a command's stderr that are sent to the client."""


def output_of(
    words: Sequence[str],
    folder: str,
    runtime: Runtime,
    most_bytes: int,
    failed: Callable[[str], DsopsError],
    *,
    too_much: str,
    sent: bytes = b"",
) -> bytes:
    """Run the command and return its stdout, which is never shown. `sent` is its stdin, at most 4 KB.

    Its stderr is passed on to the user, because the command may ask the user to touch a security key.

    If the command fails, the error that `failed(reason)` returns is raised. If the output has more than `most_bytes`,
    the reason is `too_much`.
    """
    import subprocess

    try:
        process = subprocess.Popen(
            words,
            cwd=folder or runtime.folder,
            env=dict(runtime.environ),
            stdin=subprocess.PIPE if sent else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=None if runtime.tell is None else subprocess.PIPE,
        )
    except OSError as error:
        reason = (error.strerror or "unknown reason").lower()
        raise failed(f"`{words[0]}` can't be run: {reason}") from error
    try:
        _send(process, sent)
        output = _read(process, runtime.tell, most_bytes, failed, too_much)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
    if process.returncode:
        raise failed(f"`{words[0]}` ended with exit code {process.returncode}")
    return output


def _send(process: subprocess.Popen[bytes], data: bytes) -> None:
    """Write the command's stdin and close it. A pipe holds 4 KB, so this does not wait for the command."""
    if process.stdin is None:
        return
    # A command that does not read its stdin fails by its exit code or output.
    with suppress(BrokenPipeError):
        os.write(process.stdin.fileno(), data)
    process.stdin.close()


def _read(
    process: subprocess.Popen[bytes],
    tell: Callable[[bytes], None] | None,
    most_bytes: int,
    failed: Callable[[str], DsopsError],
    too_much: str,
) -> bytes:
    """Read the process's output until it ends, for at most a minute. Meanwhile, pass on its stderr."""
    import subprocess

    too_long = failed(f"it did not end within {_SECONDS:.0f} s")
    until = monotonic() + _SECONDS
    if os.name == "nt" or process.stdout is None:  # select does not support pipes on Windows
        try:
            return process.communicate(timeout=_SECONDS)[0]
        except subprocess.TimeoutExpired:
            raise too_long from None
    output, stderr_reader = b"", _Said(process.stderr, tell)
    while ready := select([*stderr_reader.pipes, process.stdout], [], [], max(0.0, until - monotonic()))[0]:
        if process.stderr in ready:
            stderr_reader.pass_on()
        if process.stdout in ready:
            piece = os.read(process.stdout.fileno(), _PIECE_BYTES)
            output += piece
            if len(output) > most_bytes:
                raise failed(too_much)
            if not piece:
                break
    else:
        raise too_long
    try:
        process.wait(max(0.0, until - monotonic()))
    except subprocess.TimeoutExpired:
        raise too_long from None
    while stderr_reader.pipes and stderr_reader.left > 0 and select(stderr_reader.pipes, [], [], 0)[0]:
        stderr_reader.pass_on()
    return output


class _Said:
    """Sends a command's stderr to the client in small pieces."""

    def __init__(self, pipe: IO[bytes] | None, tell: Callable[[bytes], None] | None) -> None:
        self.pipes = [] if pipe is None else [pipe]
        """The pipe as the only element; empty once the pipe is closed."""
        self._tell = tell
        self.left = _TOLD_BYTES
        """The number of bytes that may still be sent to the client."""

    def pass_on(self) -> None:
        """Pass on one piece of stderr.

        Beyond the limit the piece is read and dropped, because the command would block if the pipe were full.
        """
        piece = os.read(self.pipes[0].fileno(), _PIECE_BYTES)
        if not piece:
            self.pipes.clear()
        elif self._tell is not None and self.left > 0:
            self._tell(piece)
        self.left -= len(piece)
