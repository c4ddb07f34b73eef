"""Lets the user choose from a list on the terminal: in a list box, or by number on a dumb terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

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
    with _foreground(environ, terminal) as descriptor:
        if not choices or descriptor is None:
            return None
        matcher = Matcher(choices, recent_names(environ))
        if environ.get("TERM", "") in _DUMB:
            picked = _by_number(question, matcher, ask)
        else:
            picked = _from_list(question, matcher, descriptor, environ, with_session)
    remember(picked.choice.name, environ)
    return picked


def pick_several(
    question: str,
    choices: Sequence[Choice],
    environ: Mapping[str, str],
    *,
    ask: Callable[[str], str | None],
    terminal: str = "/dev/tty",
) -> tuple[Choice, ...]:
    """Return the choices that the user marks, or the selected one; () in the cases in which `pick` returns None.

    Raises KeyboardInterrupt if the user chooses none.
    """
    with _foreground(environ, terminal) as descriptor:
        if not choices or descriptor is None:
            return ()
        matcher = Matcher(choices)
        if environ.get("TERM", "") in _DUMB:
            picked = _by_number(question, matcher, ask, takes_several=True)
        else:
            picked = _from_list(question, matcher, descriptor, environ, takes_several=True)
    return picked.marked or (picked.choice,)


def has_terminal(environ: Mapping[str, str], terminal: str = "/dev/tty") -> bool:
    """Whether a list can be shown: there is a terminal, and the process is neither in the background nor in CI."""
    with _foreground(environ, terminal) as descriptor:
        return descriptor is not None


@contextmanager
def _foreground(environ: Mapping[str, str], terminal: str) -> Iterator[int | None]:
    """Open the terminal; None without one, for a background job, and in CI."""
    descriptor = None
    try:
        if not environ.get("CI") and sys.platform != "win32":
            descriptor = os.open(terminal, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        pass
    try:
        is_usable = descriptor is not None and os.tcgetpgrp(descriptor) == os.getpgrp()
        yield descriptor if is_usable else None
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _from_list(
    question: str,
    matcher: Matcher,
    descriptor: int,
    environ: Mapping[str, str],
    with_session: Collection[Choice] = (),
    *,
    takes_several: bool = False,
) -> Picked:
    import termios

    from dsops.cli.framework.picker.list_box import ListBox

    # Keys that were typed before the list was visible must not select an entry: they may be the rest of a pasted text.
    termios.tcflush(descriptor, termios.TCIFLUSH)
    box = ListBox(question, matcher, with_session=with_session, takes_several=takes_several, is_utf8=_is_utf8(environ))
    return box.show(descriptor)


def _is_utf8(environ: Mapping[str, str]) -> bool:
    """Whether the locale says that the terminal uses UTF-8."""
    names = ["LC_ALL", "LC_CTYPE", "LANG"]
    if environ.get("LC_CTYPE") == "C.UTF-8" and environ.get("LANG", "") in _NO_LOCALE:
        names.remove(
            "LC_CTYPE"
        )  # LC_CTYPE alone says nothing about the terminal: Python itself may have set it (PEP 538).
    locale = next((environ[name] for name in names if environ.get(name)), "")
    return "UTF8" in locale.upper().replace("-", "")


def _by_number(
    question: str, matcher: Matcher, ask: Callable[[str], str | None], *, takes_several: bool = False
) -> Picked:
    """Print a numbered list, and read numbers, or words that filter the list. Raises KeyboardInterrupt."""
    typed, numbers = "", "numbers" if takes_several else "a number"
    while True:
        found = matcher.matching(typed)
        shown = found[:_MOST_NUMBERED]
        lines = [f"{number:>4}  {_line(matcher.choices[index])}" for number, index in enumerate(shown, 1)]
        if len(found) > len(shown):
            lines.append(f"      and {len(found) - len(shown)} more")
        lines = lines or ["      no match"]
        answer = ask("\n".join([*lines, f"{question}: {numbers}, or words to filter (an empty line cancels): "]))
        if not answer or not answer.strip():
            raise KeyboardInterrupt
        typed = answer.strip()
        words = typed.replace(",", " ").split() if takes_several else [typed]
        if words and all(word.isascii() and word.isdigit() and 0 < int(word) <= len(shown) for word in words):
            marked = tuple([matcher.choices[shown[number - 1]] for number in sorted(set(map(int, words)))])
            return Picked(marked[0], marked=marked)


def _line(choice: Choice) -> str:
    return clean(f"{choice.name}  {choice.detail}" if choice.detail else choice.name)
