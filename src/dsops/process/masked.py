"""A command that is watched, and nothing that it writes has a secret in it.

Where all three streams are a terminal, the command gets one of its own; else a stream that is a terminal still looks
like one to it.
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
    """Where the command's output goes. Secrets may be learnt as long as it runs."""

    def __init__(
        self, patterns: Collection[bytes], *, timeout_seconds: float | None, grace_seconds: float = GRACE_SECONDS
    ) -> None:
        """The patterns are forms of secrets (process/forms.py); the limits are those of `watch`."""
        self._timeout_seconds = timeout_seconds
        self._grace_seconds = grace_seconds
        self._private = _private(timeout_seconds, grace_seconds)
        self._streams = _Streams(patterns) if self._private is None else None
        self._pump = self._streams.pump if self._streams else _pump(self._private, patterns)

    def learn(self, patterns: Collection[bytes]) -> None:
        """Masks these too, from now on."""
        self._pump.learn(patterns)

    def watch(
        self,
        command: str,
        arguments: Sequence[str],
        environment: Mapping[bytes, bytes],
        attendants: Sequence[Attendant] = (),
    ) -> int:
        """What `watch` gives, with `***` for every pattern in the command's stdout and stderr."""
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
    assert private is not None  # noqa: S101 (its caller asked)
    # A descriptor of its own: it is closed as soon as nothing can come any more, and the keyboard's is not.
    channel = Channel(os.dup(private.master), 1, TerminalMasker(patterns))
    pump = Pump([channel], is_terminal=True, look=private.own.resize)
    private.catch_up = pump.catch_up
    return pump


def _private(timeout_seconds: float | None, grace_seconds: float) -> PrivateStart | None:
    # With a pipe on one side, another program of our group may read the terminal (`dsops exec ... | less`).
    if not all(os.isatty(descriptor) for descriptor in (0, 1, 2)):
        return None
    try:
        return PrivateStart(timeout_seconds, grace_seconds)
    except OSError:
        # The streams are terminals, but none is ours.
        return None


class _Streams:
    """Starts a command that writes to us: by pipes, or by a terminal where ours is one."""

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
            # `2>&1`, or one terminal: what is written to both keeps its order.
            self._theirs[2] = self._theirs[1]
        self.pump = Pump(channels, is_terminal=bool(self._sizes), look=self._copy_sizes)

    def spawn(self, command: str, arguments: Sequence[str], environment: Mapping[bytes, bytes]) -> int:
        """Starts it; our own copies of its ends are closed, so that theirs are the last."""
        try:
            return spawn(command, arguments, environment, streams=self._theirs)
        finally:
            for descriptor in set(self._theirs.values()):
                os.close(descriptor)

    def terminal(self, pid: int) -> Terminal:
        """Ours, shared: for what it reads."""
        return SharedTerminal(pid)

    def _open(self, number: int) -> tuple[int, int]:
        if not os.isatty(number):
            return os.pipe()
        master, slave = os.openpty()
        # Line ends are our own terminal's affair.
        make_raw(slave)
        self._sizes.append((number, master))
        self._copy_sizes()
        return master, slave

    def _copy_sizes(self) -> None:
        for ours, theirs in self._sizes:
            copy_size(ours, theirs)
