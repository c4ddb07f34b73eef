"""Bytes from a command to where they belong, masked on the way, in the loop that watches the command."""

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
"""A pipe that can be written to takes so much without blocking (POSIX, PIPE_BUF is at least 512, Linux 4096)."""

_FULL = 65536
"""With so much not yet written, nothing more is read: the command waits, as it would for a slow terminal."""

_SHORT = 3
_SHORT_SECONDS = 0.03
_LONG_SECONDS = 1.0
"""How long what may be the beginning of a secret is held back. Up to three bytes are mostly chance (a prompt that ends
with the first letter of a password); more are rather the secret itself, in pieces."""

_SILENCE_SECONDS = 0.05
"""A terminal's output arrives a moment after it was written; without any for so long, all has come."""

_PATIENCE_SECONDS = 1.0
"""How long a reader that takes nothing is waited for once the command was ended by force."""


class Channel:
    """One way: a descriptor that is read, one that is written to, and what is masked between them."""

    def __init__(self, source: int, sink: int, masker: TerminalMasker | None = None) -> None:
        """`source` is closed at the end; without a masker, bytes pass as they are."""
        os.set_blocking(source, False)
        self.source = source
        self.sink = sink
        self.outbox = b""
        self._masker = masker
        self._changed_at = monotonic()
        self._is_file = S_ISREG(os.fstat(sink).st_mode)

    def learn(self, patterns: Iterable[bytes]) -> None:
        """Masks these too, from now on."""
        if self._masker is not None:
            self._masker.learn(patterns)

    @property
    def is_open(self) -> bool:
        """Whether something may still come."""
        return self.source >= 0

    def wants_more(self) -> bool:
        """Whether it can take something in."""
        return self.is_open and len(self.outbox) < _FULL

    def seconds(self) -> float | None:
        """Until what is held back has been held back for long enough."""
        if self._masker is None or not self._masker.held or self.outbox:
            return None
        limit = _SHORT_SECONDS if self._masker.held <= _SHORT else _LONG_SECONDS
        return max(0.0, self._changed_at + limit - monotonic())

    def read(self) -> bool:
        """Takes in one piece; whether there was any."""
        try:
            piece = os.read(self.source, _PIECE)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno != errno.EIO:  # of a terminal whose other side is closed
                raise
            piece = b""
        if not piece:
            self.close()
            return False
        self._changed_at = monotonic()
        self.outbox += piece if self._masker is None else self._masker.feed(piece)
        return True

    def release(self) -> None:
        """Lets go of what was held back for long enough."""
        if self._masker is not None and self.seconds() == 0:
            self.outbox += self._masker.release()

    def write(self) -> None:
        """Gives out as much as can be given without waiting."""
        try:
            written = os.write(self.sink, self.outbox if self._is_file else self.outbox[:_WRITE])
        except BlockingIOError:
            return
        except OSError:
            # Whoever reads has left, or the disk is full: the command learns it by SIGPIPE, as it would have.
            self.outbox = b""
            self.close()
            return
        self.outbox = self.outbox[written:]

    def give_up(self) -> None:
        """Takes in and gives out nothing more."""
        self.close()
        self.outbox = b""

    def close(self) -> None:
        """Takes in nothing more; all that was held back is to be given out."""
        if self.source < 0:
            return
        os.close(self.source)
        self.source = -1
        if self._masker is not None:
            self.outbox += self._masker.finish()


class Pump:
    """An attendant of the command's loop (process/watch.py) that moves what the command writes."""

    def __init__(self, channels: Sequence[Channel], *, is_terminal: bool, look: Callable[[], None]) -> None:
        """`is_terminal`: what is read may come a moment late. `look` is called at every turn."""
        self._channels = channels
        self._is_terminal = is_terminal
        self._look = look
        self._patience: float | None = None

    def learn(self, patterns: Iterable[bytes]) -> None:
        """Masks these too, from now on."""
        found = list(patterns)
        for each in self._channels:
            each.learn(found)

    def hurry(self) -> None:
        """From now on a reader that takes nothing is not waited for without an end: the command was ended."""
        self._patience = _PATIENCE_SECONDS

    def readers(self) -> Iterable[int]:
        """What the command writes to."""
        return [each.source for each in self._channels if each.wants_more()]

    def writers(self) -> Iterable[int]:
        """Where something is to be written."""
        return [each.sink for each in self._channels if each.outbox]

    def seconds(self) -> float | None:
        """Until something that was held back is let go."""
        waits = [wait for each in self._channels if (wait := each.seconds()) is not None]
        return min(waits, default=None)

    def turn(self, ready: Collection[int]) -> None:
        """Moves what can be moved without waiting."""
        self._look()
        for each in self._channels:
            if each.wants_more() and each.source in ready:
                each.read()
            each.release()
            if each.outbox and _is_ready(each.sink, select.POLLOUT, 0):
                each.write()

    def catch_up(self) -> None:
        """Moves all that has come so far: the terminal is about to be somebody else's, or the command has ended."""
        patience = _SILENCE_SECONDS if self._is_terminal else 0.0
        for each in self._channels:
            while each.is_open and _is_ready(each.source, select.POLLIN, patience) and each.read():
                self._write_all(each)
            self._write_all(each)

    def end(self) -> None:
        """What the command wrote is written out; what its own children still write is not waited for."""
        self.catch_up()
        for each in self._channels:
            each.close()
            self._write_all(each)

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
