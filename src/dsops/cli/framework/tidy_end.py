"""A CI that cancels a job, and a terminal that is closed, end a command as Ctrl-C does: it clears away what it made."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

_ENDING: Final = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def ends_tidily() -> Iterator[None]:
    """What is within gets a KeyboardInterrupt for SIGTERM and SIGHUP, too; then the process ends of that signal.

    One that is ignored, as nohup has it, stays so.
    """
    came: list[int] = []

    def end(number: int, _frame: FrameType | None) -> None:
        came.append(number)
        raise KeyboardInterrupt

    before = {each: signal.signal(each, end) for each in _ENDING if signal.getsignal(each) is signal.SIG_DFL}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            os.kill(os.getpid(), came[0])
