"""Mask the command's output and copy it to dsops' own streams, within the loop that watches the command."""

from __future__ import annotations

import errno
import os
import select
from collections.abc import Callable, Collection, Iterable, Sequence
from stat import S_ISREG
from time import monotonic

from dsops.process.terminal_codes import TerminalMasker

_PIECE = 65536
_WRITE = 4096
"""The number of bytes that a writable pipe accepts without blocking.

This is PIPE_BUF: at least 512 in POSIX, 4096 on Linux.
"""

_FULL = 65536
"""The maximum number of unwritten bytes.

Above this number, no output is read. The command then waits, as it would for a slow terminal.
"""

_SHORT = 3
_SHORT_SECONDS = 0.03
_LONG_SECONDS = 1.0
"""The maximum time in seconds for which a possible beginning of a secret is held back.

A beginning of up to three bytes is held back for a shorter time. It mostly matches by chance, for example a prompt
that ends with the first letter of a password. A longer one is likely the secret itself, written in pieces.
"""

_SILENCE_SECONDS = 0.05
"""A terminal that is silent for this many seconds is considered to have no more output.

Output arrives at a terminal's other end a moment after it was written.
"""

_PATIENCE_SECONDS = 1.0
"""The time in seconds to wait for a blocked reader, after a signal or the time limit has ended the command."""


class Channel:
    """One direction of copying: the descriptor to read, the descriptor to write, and the masker between them."""

    def __init__(self, source: int, sink: int, masker: TerminalMasker | None = None) -> None:
        """`source` is closed at the end. Without a masker, bytes are copied unchanged."""
        os.set_blocking(source, False)
        self.source = source
        self.sink = sink
        self.outbox = b""
        self._masker = masker
        self._changed_at = monotonic()
        self._is_file = S_ISREG(os.fstat(sink).st_mode)

    def learn(self, patterns: Iterable[bytes]) -> None:
        """Add patterns; later output is masked with them."""
        if self._masker is not None:
            self._masker.learn(patterns)

    @property
    def is_open(self) -> bool:
        """Whether the source is open, so that more output may come."""
        return self.source >= 0

    def wants_more(self) -> bool:
        """Whether the source is open and the buffer has room for more."""
        return self.is_open and len(self.outbox) < _FULL

    def seconds(self) -> float | None:
        """Return the seconds until bytes that are held back are released, or None if there are none."""
        if self._masker is None or not self._masker.held or self.outbox:
            return None
        limit = _SHORT_SECONDS if self._masker.held <= _SHORT else _LONG_SECONDS
        return max(0.0, self._changed_at + limit - monotonic())

    def read(self) -> bool:
        """Read once; return whether there was data to read."""
        try:
            piece = os.read(self.source, _PIECE)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno != errno.EIO:  # EIO means that the other side of the terminal is closed
                raise
            piece = b""
        if not piece:
            self.close()
            return False
        self._changed_at = monotonic()
        self.outbox += piece if self._masker is None else self._masker.feed(piece)
        return True

    def release(self) -> None:
        """Release bytes that have been held back for long enough."""
        if self._masker is not None and self.seconds() == 0:
            self.outbox += self._masker.release()

    def write(self) -> None:
        """Write as many bytes as possible without blocking."""
        try:
            count = os.write(self.sink, self.outbox if self._is_file else self.outbox[:_WRITE])
        except BlockingIOError:
            return
        except OSError:
            # The reader has closed its end, or the disk is full. The command gets SIGPIPE, as it would without masking.
            self.outbox = b""
            self.close()
            return
        self.outbox = self.outbox[count:]

    def give_up(self) -> None:
        """Stop reading, and discard unwritten bytes."""
        self.close()
        self.outbox = b""

    def close(self) -> None:
        """Stop reading. Bytes that were held back become output, which `write` still has to write."""
        if self.source < 0:
            return
        os.close(self.source)
        self.source = -1
        if self._masker is not None:
            self.outbox += self._masker.finish()


class Pump:
    """An attendant (process/watch.py) that copies the command's output."""

    def __init__(self, channels: Sequence[Channel], *, is_terminal: bool, look: Callable[[], None]) -> None:
        """Create a pump. `look` is called in every turn.

        `is_terminal` says that output comes from a terminal, where it may arrive a moment after it was written.
        """
        self._channels = channels
        self._is_terminal = is_terminal
        self._look = look
        self._patience: float | None = None

    def learn(self, patterns: Iterable[bytes]) -> None:
        """Add patterns; later output is masked with them."""
        new_patterns = list(patterns)
        for channel in self._channels:
            channel.learn(new_patterns)

    def hurry(self) -> None:
        """From now on, limit the time to wait for a blocked reader, because the command was ended."""
        self._patience = _PATIENCE_SECONDS

    def readers(self) -> Iterable[int]:
        """Return the descriptors of the command's output from which the pump wants to read."""
        return [channel.source for channel in self._channels if channel.wants_more()]

    def writers(self) -> Iterable[int]:
        """Return our descriptors for which there are unwritten bytes."""
        return [channel.sink for channel in self._channels if channel.outbox]

    def seconds(self) -> float | None:
        """Return the seconds until held-back bytes must be released, or None if there are none."""
        waits = [wait for channel in self._channels if (wait := channel.seconds()) is not None]
        return min(waits, default=None)

    def turn(self, ready: Collection[int]) -> None:
        """Copy as much as possible without blocking."""
        self._look()
        for channel in self._channels:
            if channel.wants_more() and channel.source in ready:
                channel.read()
            channel.release()
            if channel.outbox and _is_ready(channel.sink, select.POLLOUT, 0):
                channel.write()

    def catch_up(self) -> None:
        """Copy all output that the command has written so far.

        Called when the command is about to get or lose the terminal, and when it has ended.
        """
        patience = _SILENCE_SECONDS if self._is_terminal else 0.0
        for channel in self._channels:
            while channel.is_open and _is_ready(channel.source, select.POLLIN, patience) and channel.read():
                self._write_all(channel)
            self._write_all(channel)

    def end(self) -> None:
        """Write out the command's output. Does not wait for the output of processes that the command left behind."""
        self.catch_up()
        for channel in self._channels:
            channel.close()
            self._write_all(channel)

    def _write_all(self, channel: Channel) -> None:
        while channel.outbox:
            if not _is_ready(channel.sink, select.POLLOUT, self._patience):
                channel.give_up()
                return
            channel.write()


def _is_ready(descriptor: int, event: int, seconds: float | None) -> bool:
    poll = select.poll()
    poll.register(descriptor, event)
    return bool(poll.poll(None if seconds is None else int(seconds * 1000)))
