"""Runs attendants until a signal ends the process: the main loop of `dsops guard serve` and `dsops node serve`."""

from __future__ import annotations

import signal
from collections.abc import Sequence

from dsops.process.signals import Signals
from dsops.process.watch import Attendant

_ENDING = frozenset((signal.SIGINT, signal.SIGTERM, signal.SIGHUP))


def serve_until_signal(attendants: Sequence[Attendant]) -> None:
    """Do the attendants' work until SIGINT, SIGTERM or SIGHUP, and end the attendants."""
    with Signals() as signals:
        is_over = False
        while not is_over:
            waits = [seconds for attendant in attendants if (seconds := attendant.seconds()) is not None]
            readers = [descriptor for attendant in attendants for descriptor in attendant.readers()]
            writers = [descriptor for attendant in attendants for descriptor in attendant.writers()]
            woken = signals.wait(max(0.0, min(waits)) if waits else None, readers, writers)
            for attendant in attendants:
                attendant.turn(woken.ready)
            is_over = not _ENDING.isdisjoint(woken.signals)
    for attendant in attendants:
        attendant.end()
