"""Makes SIGTERM and SIGHUP (a cancelled CI job, a closed terminal) end a command like Ctrl-C, after a cleanup."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

_ENDING: Final = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


@contextmanager
def ends_tidily() -> Iterator[None]:
    """Raise KeyboardInterrupt on SIGTERM and SIGHUP within the block; then the process ends by that signal.

    A signal that was ignored at the start (`nohup`) stays ignored.
    """
    received: list[int] = []

    def end(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, end) for number in _ENDING if signal.getsignal(number) is signal.SIG_DFL}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if received:
            os.kill(os.getpid(), received[0])
