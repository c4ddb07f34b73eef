"""Lets the user choose from a list on the terminal: in a list box, or by number on a dumb terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Mapping, Sequence

from dsops.cli.framework.picker.matcher import Matcher, Picked
from dsops.cli.framework.picker.recent import recent_names, remember
from dsops.runtime import Choice
from dsops.text import clean

_MOST_NUMBERED = 15
_NO_LOCALE = ("", "C", "POSIX")
_DUMB = ("", "dumb", "unknown")


def pick(
    question: str,
    choices: Sequence[Choice],
    environ: Mapping[str, str],
    *,
    ask: Callable[[str], str | None],
    with_session: Collection[Choice] = (),
    terminal: str = "/dev/tty",
) -> Picked | None:
    """Return the user's choice; None without a terminal, for a background job, and in CI.

    On a dumb terminal, `ask` reads a line. For a choice in `with_session`, one key opens the console and another one
    prints `export` lines. Raises KeyboardInterrupt if the user cancels.
    """
    if not choices or environ.get("CI") or sys.platform == "win32":
        return None
    try:
        descriptor = os.open(terminal, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if os.tcgetpgrp(descriptor) != os.getpgrp():
            return None
        matcher = Matcher(choices, recent_names(environ))
        if environ.get("TERM", "") in _DUMB:
            picked = _by_number(question, matcher, ask)
        else:
            picked = _from_list(question, matcher, descriptor, environ, with_session)
    finally:
        os.close(descriptor)
    remember(picked.choice.name, environ)
    return picked


def _from_list(
    question: str, matcher: Matcher, descriptor: int, environ: Mapping[str, str], with_session: Collection[Choice]
) -> Picked:
    import termios

    from dsops.cli.framework.picker.list_box import ListBox

    # Keys typed before the list was visible must not choose: they may be the next line of a pasted text.
    termios.tcflush(descriptor, termios.TCIFLUSH)
    return ListBox(question, matcher, with_session=with_session, is_utf8=_is_utf8(environ)).show(descriptor)


def _is_utf8(environ: Mapping[str, str]) -> bool:
    """Whether the locale says that the terminal uses UTF-8."""
    names = ["LC_ALL", "LC_CTYPE", "LANG"]
    if environ.get("LC_CTYPE") == "C.UTF-8" and environ.get("LANG", "") in _NO_LOCALE:
        names.remove(
            "LC_CTYPE"
        )  # Python itself may have set LC_CTYPE (PEP 538), which says nothing about the terminal.
    locale = next((environ[name] for name in names if environ.get(name)), "")
    return "UTF8" in locale.upper().replace("-", "")


def _by_number(question: str, matcher: Matcher, ask: Callable[[str], str | None]) -> Picked:
    """Print a numbered list, and read a number, or words that filter the list. Raises KeyboardInterrupt."""
    typed = ""
    while True:
        found = matcher.matching(typed)
        shown = found[:_MOST_NUMBERED]
        lines = [f"{number:>4}  {_line(matcher.choices[index])}" for number, index in enumerate(shown, 1)]
        if len(found) > len(shown):
            lines.append(f"      and {len(found) - len(shown)} more")
        lines = lines or ["      no match"]
        answer = ask("\n".join([*lines, f"{question}: a number, or words to filter (an empty line cancels): "]))
        if not answer or not answer.strip():
            raise KeyboardInterrupt
        typed = answer.strip()
        if typed.isascii() and typed.isdigit() and 0 < int(typed) <= len(shown):
            return Picked(matcher.choices[shown[int(typed) - 1]])


def _line(choice: Choice) -> str:
    return clean(f"{choice.name}  {choice.detail}" if choice.detail else choice.name)
