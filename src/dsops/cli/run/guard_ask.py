"""`dsops exec --ask`: ask the user about a request that the guard's policies neither allow nor deny."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from time import monotonic, sleep
from typing import Literal

from dsops.cli.framework.prompt import ask_text
from dsops.cli.framework.screen import alarming
from dsops.guard.run.options import Answer, Asked
from dsops.text import clean

_TERMINAL = "/dev/tty"
_ANSWERS: Mapping[str, Answer] = {"o": "once", "once": "once", "r": "run", "run": "run", "y": "once", "yes": "once"}
_STOP_SECONDS, _LOOK_SECONDS = 1.0, 0.01
_ALWAYS = ("a", "always")
_QUESTION = "allow it [o]nce, for this [r]un, or [n]ot at all? [n] "
_QUESTION_ALWAYS = "allow it [o]nce, for this [r]un, [a]lways (into {}), or [n]ot at all? [n] "
TypedAnswer = Answer | Literal["always"]


def ask_user(asked: Asked, into: str = "") -> TypedAnswer:
    """Ask on the terminal. Without a terminal, the answer is `no`. Destructive actions are red.

    `into` says to which file `always` adds a statement; "" if this answer is not offered.

    The processes that have the terminal are stopped until the answer. Otherwise one of them that waits for input would
    get the answer, although another process group has the terminal by then (n_tty checks only at the start of a read).
    """
    try:
        descriptor = os.open(_TERMINAL, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return "no"
    # A process in the background that calls tcsetpgrp is stopped, unless SIGTTOU is blocked (POSIX).
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTTOU])
    try:
        holder = os.tcgetpgrp(descriptor)
        if holder == os.getpgrp():
            return _ask_on(descriptor, asked, into)
        os.killpg(holder, signal.SIGSTOP)
        try:
            _wait_until_stopped(holder)
            os.tcsetpgrp(descriptor, os.getpgrp())
            return _ask_on(descriptor, asked, into)
        finally:
            os.tcsetpgrp(descriptor, holder)
            os.killpg(holder, signal.SIGCONT)
    except OSError:
        return "no"
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(descriptor)


def _wait_until_stopped(group: int) -> None:
    """Wait until no process of the group runs, for a second at most: a busy machine stops a process late."""
    end = monotonic() + _STOP_SECONDS
    while monotonic() < end:
        sleep(_LOOK_SECONDS)
        if not any(_state_and_group(entry.path) in {(state, group) for state in "RSD"} for entry in _processes()):
            return


def _processes() -> list[os.DirEntry[str]]:
    """Return the entries of /proc that are processes; [] on systems without it."""
    try:
        return [entry for entry in os.scandir("/proc") if entry.name.isdigit()]
    except OSError:
        return []


def _state_and_group(path: str) -> tuple[str, int]:
    """Return the state and the process group of a process (proc_pid_stat(5)); ("", 0) if it has ended."""
    try:
        with open(f"{path}/stat", encoding="ascii", errors="replace") as file:
            state, _, group, *_ = file.read().rpartition(")")[2].split()
    except (OSError, ValueError):
        return "", 0
    return state, int(group)


def _ask_on(descriptor: int, asked: Asked, into: str) -> TypedAnswer:
    # The command chooses the names of its resources: `clean` takes control characters out of them.
    name = clean(asked.action)
    shown = alarming(name, descriptor) if asked.is_destructive else name
    os.write(descriptor, f"\r\ndsops: the command wants {shown} on {clean(asked.resource)}\r\n".encode())
    typed = (ask_text(_QUESTION_ALWAYS.format(into) if into else _QUESTION) or "").lower()
    return "always" if into and typed in _ALWAYS else _ANSWERS.get(typed, "no")
