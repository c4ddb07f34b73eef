"""The controlling terminal, which one process group at a time may read."""

from __future__ import annotations

import os
import signal
from typing import Protocol


class Terminal(Protocol):
    """What a watched command has of the terminal that we were started on."""

    @property
    def exists(self) -> bool:
        """Whether there is one."""

    @property
    def is_given(self) -> bool:
        """Whether what is typed, Ctrl-C too, goes to the command and not to us."""

    def give(self) -> bool:
        """Lets the command have it, if it is ours to give."""

    def take_back(self) -> None:
        """Lets our own group have it again, if the command had it."""

    def close(self) -> None:
        """The command has ended, or was never started: the terminal is as it was."""


class SharedTerminal:
    """Our own terminal, given to the command's process group; nothing when there is none."""

    def __init__(self, group: int) -> None:
        self._group = group
        try:
            self._descriptor = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError:
            self._descriptor = -1
        # With a pipe on one side another program of our group may read the terminal (`dsops exec ... |
        # less`): then the command gets it only when it asks.
        if all(os.isatty(descriptor) for descriptor in (0, 1, 2)):
            self.give()

    @property
    def exists(self) -> bool:
        """Whether there is one."""
        return self._descriptor >= 0

    @property
    def is_given(self) -> bool:
        """Whether the command's group has it: what is typed, Ctrl-C too, goes there and not to us."""
        return self._holder() == self._group

    def give(self) -> bool:
        """Lets the command's group have it, if it is ours to give."""
        return self._holder() == os.getpgrp() and self._hand_to(self._group)

    def take_back(self) -> None:
        """Lets our own group have it again, if the command's had it."""
        if self.is_given:
            self._hand_to(os.getpgrp())

    def close(self) -> None:
        """Takes it back, and closes it."""
        if self.exists:
            self.take_back()
            os.close(self._descriptor)
            self._descriptor = -1

    def _holder(self) -> int:
        try:
            return os.tcgetpgrp(self._descriptor) if self.exists else -1
        except OSError:
            return -1

    def _hand_to(self, group: int) -> bool:
        # From the background the call stops the caller unless SIGTTOU is blocked (POSIX, tcsetpgrp).
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTTOU])
        try:
            os.tcsetpgrp(self._descriptor, group)
        except OSError:
            return False
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return True
