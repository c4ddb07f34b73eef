"""Hand the controlling terminal to the command and take it back: only one process group at a time may read it."""

from __future__ import annotations

import os
import signal
from typing import Protocol


class Terminal(Protocol):
    """The terminal that a watched command uses."""

    @property
    def exists(self) -> bool:
        """Whether there is a terminal."""

    @property
    def is_given(self) -> bool:
        """Whether the command, instead of dsops, gets keyboard input and Ctrl-C."""

    def give(self) -> bool:
        """Give the terminal to the command, if our process group has it. Return whether the command got it."""

    def take_back(self) -> None:
        """Give the terminal back to dsops' own process group, if the command has it."""

    def close(self) -> None:
        """Restore the terminal, because the command has ended or was never started."""


class SharedTerminal:
    """Our own terminal, handed to the command's process group. Does nothing if there is no terminal."""

    def __init__(self, group: int) -> None:
        self._group = group
        try:
            self._descriptor = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError:
            self._descriptor = -1
        # If a stream is a pipe, another program of our process group may read the terminal (`dsops exec ... | less`).
        # Then the command gets the terminal only when it tries to use it.
        if all(os.isatty(descriptor) for descriptor in (0, 1, 2)):
            self.give()

    @property
    def exists(self) -> bool:
        """Whether there is a terminal."""
        return self._descriptor >= 0

    @property
    def is_given(self) -> bool:
        """Whether the command's process group has the terminal, and so gets keyboard input and Ctrl-C."""
        return self._holder() == self._group

    def give(self) -> bool:
        """Give the terminal to the command's process group, if ours has it. Return whether the command got it."""
        return self._holder() == os.getpgrp() and self._hand_to(self._group)

    def take_back(self) -> None:
        """Give the terminal back to dsops' own process group, if the command's process group has it."""
        if self.is_given:
            self._hand_to(os.getpgrp())

    def close(self) -> None:
        """Take the terminal back, and close our descriptor."""
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
        # If we are in the background, tcsetpgrp stops us unless SIGTTOU is blocked (POSIX).
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTTOU])
        try:
            os.tcsetpgrp(self._descriptor, group)
        except OSError:
            return False
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return True
