"""Asks the user on the terminal or in a window, never on stdout or stderr, which may be pipes."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType

from dsops.secret import Secret
from dsops.text import clean

_LONGEST_ANSWER = 1024
_AGREED = tuple(Secret(word) for word in ("y", "Y", "yes", "Yes", "YES"))
_ENDING = ("SIGTERM", "SIGHUP", "SIGQUIT", "SIGTSTP")


def ask(question: str, *, terminal: str = "/dev/tty") -> Secret | None:
    """Ask the user, without echo; None without a terminal or window, and after Ctrl-D.

    On a desktop, a window is opened if there is no terminal. A window is also opened for a background job, since the
    system stops such a process (SIGTTIN) when it reads the terminal.
    """
    return _ask(question, terminal, _ask_in_window, is_hidden=True)


def confirm(question: str, *, terminal: str = "/dev/tty") -> bool | None:
    """Return whether the user types `y` or `yes`; None without a terminal.

    No window is opened instead, because a window is too small for the question.
    """
    typed = _ask(question, terminal, _no_window, is_hidden=False)
    return None if typed is None else typed in _AGREED


def has_terminal(terminal: str = "/dev/tty") -> bool:
    """Whether this process may read from a terminal. A background job may not."""
    if sys.platform == "win32":
        return os.isatty(0)
    try:
        descriptor = os.open(terminal, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(descriptor) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(descriptor)


def ask_text(question: str, *, terminal: str = "/dev/tty") -> str | None:
    """Return the line that the user types, without spaces around it; None without a terminal and after Ctrl-D."""
    typed = _ask(question, terminal, _no_window, is_hidden=False)
    return None if typed is None else typed.reveal().strip()


def _ask(question: str, terminal: str, elsewhere: Callable[[str], Secret | None], *, is_hidden: bool) -> Secret | None:
    # The question contains names and addresses from a configuration, which an attacker may have written.
    question = "\n".join([clean(line) for line in question.split("\n")])
    if sys.platform == "win32":
        from dsops.cli.framework.windows import ask_on_console

        return ask_on_console(question, is_hidden=is_hidden)
    try:
        descriptor = os.open(terminal, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return elsewhere(question)
    try:
        if os.tcgetpgrp(descriptor) != os.getpgrp():
            return elsewhere(question)
        from dsops.cli.framework.screen import wrapped

        return _ask_on(descriptor, wrapped(question, descriptor), is_hidden=is_hidden)
    except OSError:
        # The terminal was hung up, or is not the controlling terminal of this process.
        return None
    finally:
        os.close(descriptor)


def _no_window(_question: str) -> Secret | None:
    return None


def _ask_in_window(question: str) -> Secret | None:
    from dsops.cli.framework import dialog

    return dialog.ask(question, os.environ)


def _ask_on(descriptor: int, question: str, *, is_hidden: bool) -> Secret | None:
    """Read a line from the terminal; restore its settings even after Ctrl-C, Ctrl-Z or another signal."""
    import termios

    before = termios.tcgetattr(descriptor)
    hidden = list(before)
    # The terminal is set to canonical mode with signals, since fish changes these settings while it draws a prompt.
    hidden[0] |= termios.ICRNL
    hidden[3] = (hidden[3] | termios.ICANON | termios.ISIG) & ~termios.ECHO
    if not is_hidden:
        hidden[3] |= termios.ECHO

    def show() -> None:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)

    def hide() -> None:
        termios.tcsetattr(descriptor, termios.TCSAFLUSH, hidden)

    def on_signal(number: int, _frame: FrameType | None) -> None:
        """Restore the terminal settings, apply the signal's default action, and ask again after Ctrl-Z and `fg`."""
        show()
        handler = signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        signal.signal(number, handler)
        hide()
        os.write(descriptor, question.encode())

    handlers = {}
    for name in _ENDING:
        number = getattr(signal, name)
        if signal.getsignal(number) == signal.SIG_DFL:
            handlers[number] = signal.signal(number, on_signal)
    try:
        hide()
        os.write(descriptor, question.encode())
        answer = os.read(descriptor, _LONGEST_ANSWER)
    finally:
        show()
        if is_hidden:
            os.write(descriptor, b"\n")
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return Secret.from_bytes(answer.removesuffix(b"\n")) if answer.endswith(b"\n") else None
