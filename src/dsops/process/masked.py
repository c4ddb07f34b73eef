"""Run a command with the secrets masked in its output.

If stdin, stdout and stderr are all terminals, the command gets a private pseudoterminal. Otherwise a separate
pseudoterminal replaces each output stream that is a terminal.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence

from dsops.process.private import PrivateStart, copy_size, make_raw
from dsops.process.pump import Channel, Pump
from dsops.process.terminal import SharedTerminal, Terminal
from dsops.process.terminal_codes import TerminalMasker
from dsops.process.watch import GRACE_SECONDS, Attendant, spawn, watch


class Masking:
    """Runs a command with masked output. More secrets may be added while it runs."""

    def __init__(
        self, patterns: Collection[bytes], *, timeout_seconds: float | None, grace_seconds: float = GRACE_SECONDS
    ) -> None:
        """`patterns` are the secrets in every encoding to mask; `watch` gets the time limits."""
        self._timeout_seconds = timeout_seconds
        self._grace_seconds = grace_seconds
        self._private = _private(timeout_seconds, grace_seconds)
        self._streams = _Streams(patterns) if self._private is None else None
        self._pump = self._streams.pump if self._streams else _pump(self._private, patterns)

    def learn(self, patterns: Collection[bytes]) -> None:
        """Add patterns; later output is masked with them."""
        self._pump.learn(patterns)

    def watch(
        self,
        command: str,
        arguments: Sequence[str],
        environment: Mapping[bytes, bytes],
        attendants: Sequence[Attendant] = (),
    ) -> int:
        """Run the command as `watch` does, with `***` for every match of a pattern in its stdout and stderr."""
        if self._private is None:
            return watch(
                command,
                arguments,
                environment,
                timeout_seconds=self._timeout_seconds,
                grace_seconds=self._grace_seconds,
                start=self._streams,
                attendants=[self._pump, *attendants],
                hurry=self._pump.hurry,
            )
        private = self._private
        try:
            code = watch(
                command,
                arguments,
                environment,
                timeout_seconds=None,
                start=private,
                attendants=[private.keyboard, self._pump, *attendants],
            )
        finally:
            private.close()
        private.check(arguments[0])
        return code


def _pump(private: PrivateStart | None, patterns: Collection[bytes]) -> Pump:
    assert private is not None  # noqa: S101 (the caller has checked this)
    # The channel closes its descriptor when the output ends. It gets a copy, because the keyboard still needs the
    # original.
    channel = Channel(os.dup(private.master), 1, TerminalMasker(patterns))
    pump = Pump([channel], is_terminal=True, look=private.own.resize)
    private.catch_up = pump.catch_up
    return pump


def _private(timeout_seconds: float | None, grace_seconds: float) -> PrivateStart | None:
    # If a stream is a pipe, another program may read the same terminal (`dsops exec ... | less`).
    if not all(os.isatty(descriptor) for descriptor in (0, 1, 2)):
        return None
    try:
        return PrivateStart(timeout_seconds, grace_seconds)
    except OSError:
        # The streams are terminals, but this process has no controlling terminal.
        return None


class _Streams:
    """Starts a command whose output dsops reads.

    An output stream that is a terminal is replaced by a pseudoterminal, any other by a pipe.
    """

    def __init__(self, patterns: Collection[bytes]) -> None:
        self._theirs: dict[int, int] = {}
        self._sizes: list[tuple[int, int]] = []
        channels = []
        is_one = os.fstat(1)[:3] == os.fstat(2)[:3]
        for number in (1,) if is_one else (1, 2):
            source, theirs = self._open(number)
            channels.append(Channel(source, number, TerminalMasker(patterns)))
            self._theirs[number] = theirs
        if is_one:
            # The user wrote `2>&1`, or both streams are one terminal. One channel keeps the output to both in order.
            self._theirs[2] = self._theirs[1]
        self.pump = Pump(channels, is_terminal=bool(self._sizes), look=self._copy_sizes)

    def spawn(self, command: str, arguments: Sequence[str], environment: Mapping[bytes, bytes]) -> int:
        """Start the command, then close this process's copies of the descriptors that the command uses."""
        try:
            return spawn(command, arguments, environment, streams=self._theirs)
        finally:
            for descriptor in set(self._theirs.values()):
                os.close(descriptor)

    def terminal(self, pid: int) -> Terminal:
        """Return dsops' own terminal, from which the command reads its input."""
        return SharedTerminal(pid)

    def _open(self, number: int) -> tuple[int, int]:
        if not os.isatty(number):
            return os.pipe()
        master, slave = os.openpty()
        # Our own terminal converts the line ends, so the pseudoterminal must not.
        make_raw(slave)
        self._sizes.append((number, master))
        self._copy_sizes()
        return master, slave

    def _copy_sizes(self) -> None:
        for ours, theirs in self._sizes:
            copy_size(ours, theirs)
