"""How commands differ on Windows: which commands are refused, and how dsops prompts on the console.

Written from Microsoft's and Python's documentation. The tests pass in a console; CI runs dsops on Windows.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module

from dsops.cli.framework.command import Arguments
from dsops.errors import DsopsError, UsageError
from dsops.secret import Secret
from dsops.startup import Protocol

_OF_POSIX = frozenset("fcntl grp pwd resource termios tty".split())
"""Modules of Python's standard library that Windows lacks."""
_REFUSED = frozenset({"agent", "audit", "node", "sandbox"})
_HINT = "run dsops in the Windows Subsystem for Linux (WSL), where it has every command"
_LONGEST_ANSWER = 1024
_END, _INTERRUPT, _BACKSPACE, _ENTER, _FUNCTION_KEY = "\x1a", "\x03", "\b", "\r\n", "\x00\xe0"


def refuse_command(name: str) -> None:
    """Raise UsageError for a command that needs POSIX's processes, sockets and file permissions."""
    if name in _REFUSED:
        raise UsageError(f"`dsops {name}` is not available on Windows", hint=_HINT)


def unavailable(name: str, error: Exception) -> DsopsError | None:
    """Return the error for a command whose modules need POSIX; None for any other error."""
    if not isinstance(error, ModuleNotFoundError) or error.name not in _OF_POSIX:
        return None
    return UsageError(
        f"`dsops {name}` is not available on Windows", why=f"it needs Python's module `{error.name}`", hint=_HINT
    )


def refuse_flags(arguments: Arguments, *flags: str) -> None:
    """Raise UsageError if the user gave one of these flags, which need POSIX's process groups and terminals."""
    for flag in flags:
        if arguments.has(flag) and arguments.text(flag):
            raise UsageError(f"`{flag}` is not available on Windows", hint=_HINT)


class KeyConsole(Protocol):
    """The functions of Python's module `msvcrt` that read and write single characters of the console."""

    def getwch(self) -> str:
        """Wait for a key, and return it without showing it."""

    def putwch(self, character: str, /) -> None:
        """Show a character."""


def ask_on_console(
    question: str,
    *,
    is_hidden: bool,
    console: KeyConsole | None = None,
    has_console: Callable[[], bool] = lambda: os.isatty(0),
) -> Secret | None:
    """Ask the user on the console; None without a console, and after Ctrl-Z. Raises KeyboardInterrupt after Ctrl-C."""
    if not has_console():
        return None
    console = console or import_module("msvcrt")
    _write(console, question)
    typed: list[str] = []
    while True:
        key = console.getwch()
        if key in _ENTER or key in (_END, _INTERRUPT):
            break
        if key in _FUNCTION_KEY:
            console.getwch()  # the console sends two characters for an arrow key or a function key
        elif key == _BACKSPACE:
            if typed:
                typed.pop()
                _write(console, "" if is_hidden else "\b \b")
        elif len(typed) < _LONGEST_ANSWER:
            typed.append(key)
            _write(console, "" if is_hidden else key)
    _write(console, "\n")
    if key == _INTERRUPT:
        raise KeyboardInterrupt
    return None if key == _END else Secret("".join(typed))


def _write(console: KeyConsole, text: str) -> None:
    for character in text.replace("\n", "\r\n"):
        console.putwch(character)
