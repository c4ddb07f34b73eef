"""`dsops exec --ask`: ask the user about a request that the guard's policies neither allow nor deny."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping

from dsops.cli.framework.prompt import ask_text
from dsops.cli.framework.screen import alarming
from dsops.guard.run.approvals import Answer
from dsops.text import clean

_TERMINAL = "/dev/tty"
_ANSWERS: Mapping[str, Answer] = {"o": "once", "once": "once", "r": "run", "run": "run", "y": "once", "yes": "once"}
_QUESTION = "allow it [o]nce, for this [r]un, or [n]ot at all? [n] "


def ask_user(action: str, resource: str, *, is_destructive: bool) -> Answer:
    """Ask on the terminal, which the command gives up until the answer. Without a terminal, the answer is `no`.

    `is_destructive` actions are red.
    """
    try:
        descriptor = os.open(_TERMINAL, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return "no"
    # A process in the background that calls tcsetpgrp is stopped, unless SIGTTOU is blocked (POSIX).
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTTOU])
    try:
        holder = os.tcgetpgrp(descriptor)
        os.tcsetpgrp(descriptor, os.getpgrp())
        try:
            name = clean(action)
            shown = alarming(name, descriptor) if is_destructive else name
            os.write(descriptor, f"\r\ndsops: the command wants {shown} on {clean(resource)}\r\n".encode())
            return _ANSWERS.get((ask_text(_QUESTION) or "").lower(), "no")
        finally:
            os.tcsetpgrp(descriptor, holder)
    except OSError:
        return "no"
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(descriptor)
