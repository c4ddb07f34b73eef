"""Shows events on stderr: a line each with --verbose, and on a terminal one line that says what is being waited for.

The line appears after a second of waiting. A thread draws it, because the wait itself blocks the main thread.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping
from time import monotonic

from dsops.cli.framework.output import note, tell
from dsops.cli.framework.screen import columns
from dsops.cli.framework.waits import Bar, Waits
from dsops.runtime import NOTES, WAIT_BEGUN, WAIT_OVER, Event
from dsops.text import clean

_REPEATED = ("keys.waiting", "mfa.waiting", "query.waiting")
_OF_THE_LINE = (WAIT_BEGUN, WAIT_OVER, "checks.made")
"""Events that only the line shows: the events after them say the same with its result."""

_ERASE_LINE = "\r\x1b[K"
_ROOM = 3
"""The columns that stay free for the `^C` of a terminal: in the next row it would keep the line from being erased."""

_DELAY_SECONDS = 1.0
_REFRESH_SECONDS = 0.5


class Progress:
    """Shows events on stderr: all of them with `is_kept`; the line of the wait if `is_live`.

    Every method may be called from any thread.
    """

    def __init__(self, *, is_kept: bool, is_live: bool = True, delay_seconds: float = _DELAY_SECONDS) -> None:
        self._is_kept = is_kept
        self._is_live = is_live
        self._delay_seconds = delay_seconds
        self._last = ""
        # Reentrant: a signal's handler may report while the main thread reports.
        self._lock = threading.RLock()
        self._waits = Waits()
        self._text = ""
        """The last event as a sentence: the line while no wait is open."""
        self._shown = ""
        """The line on the terminal; "" for none."""
        self._begun = 0.0
        self._bar: Bar | None = None
        """The bar of long work; None for a run without one."""
        self._end: threading.Event | None = None
        """Ends the thread that draws; None without a thread."""
        self._thread: threading.Thread | None = None

    def report(self, event: Event) -> None:
        """Show one event; `done` erases the line."""
        if event.name == "done":
            self._stop()
            return
        with self._lock:
            if event.name in NOTES:
                self._erase()
                note(sentence(event))
                return
            if self._is_kept:
                self._keep(event)
            if self._is_live:
                self._follow(event)

    def _keep(self, event: Event) -> None:
        """Write the event as a line. A wait is reported every second; the log gets only the first of its reports."""
        if event.name in _OF_THE_LINE:
            return
        if event.name != self._last or event.name not in _REPEATED:
            self._erase()
            tell(f"dsops: {sentence(event)}")
        self._last = event.name

    def _follow(self, event: Event) -> None:
        """Change what the line says, and draw it if it is time."""
        now = monotonic()
        if self._end is None:
            self._begun = now
            self._waits.restart(now)
            self._start()
        if "percent" in event.facts:
            self._bar = self._bar or Bar(now)
            self._bar.advance(event.facts["percent"], sentence(event), now)
        elif not self._waits.take(event, now):
            self._text = "" if self._is_kept else sentence(event)
        if now - self._begun >= self._delay_seconds:
            self._draw(now)

    def _start(self) -> None:
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, args=(self._end,), daemon=True)
        self._thread.start()

    def _watch(self, end: threading.Event) -> None:
        """Draw the line once it is due, and then as often as it may change."""
        wait_seconds = self._delay_seconds
        while not end.wait(wait_seconds):
            with self._lock:
                if end.is_set():
                    return
                self._draw(monotonic())
            wait_seconds = _REFRESH_SECONDS

    def _stop(self) -> None:
        """Erase the line and end the thread, so that the process can start another program."""
        thread, self._thread = self._thread, None
        with self._lock:
            if self._end is not None:
                self._end.set()
                self._end = None
            self._erase()
            self._text, self._bar = "", None
        if thread is not None:
            thread.join()

    def _draw(self, now: float) -> None:
        line = self._waits.line(now, self._delay_seconds) or self._text
        if self._bar is not None:
            line = f"{self._bar.line(now)}; {line}" if line else self._bar.line(now)
        shown = fitted(f"dsops: {line}", columns(2) - _ROOM) if line else ""
        if shown == self._shown or not _is_foreground():
            return
        if not shown:
            self._erase()
            return
        _write(f"{_ERASE_LINE}{shown}")
        self._shown = shown

    def _erase(self) -> None:
        if self._shown:
            _write(_ERASE_LINE)
            self._shown = ""


def _write(text: str) -> None:
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except (OSError, ValueError):
        pass  # the terminal is gone: the wait goes on


def _is_foreground() -> bool:
    """Whether the terminal, if it is our own, is ours: a job in the background must not write over the prompt."""
    try:
        return os.tcgetpgrp(2) == os.getpgrp()
    except OSError:
        return True


def fitted(text: str, columns: int) -> str:
    """The text cut to one row: a wrapped text could not be erased, since only one row is.

    Characters whose width depends on the terminal's language count as wide (UAX 11, East Asian Ambiguous).
    """
    if text.isascii():
        return text[: max(columns, 0)]
    from unicodedata import combining, east_asian_width

    used = 0
    for index, character in enumerate(text):
        used += 0 if combining(character) else 2 if east_asian_width(character) in "WFA" else 1
        if used > columns:
            return text[:index]
    return text


_SENTENCES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "endpoint.answered": (("endpoint", "{} answers"),),
    "call.delayed": (("why", "{}:"), ("attempt", "{}"), ("seconds", "in {} s")),
    "ambient.loaded": (("source", "base credentials from {},"), ("key", "key {}")),
    "credentials.issued": (
        ("store", "store {},"),
        ("hop", "hop {}:"),
        ("caller", "{}"),
        ("role", "assumed {}"),
        ("permission_set", "became {},"),
        ("session", "as {},"),
        ("key", "key {},"),
        ("expires", "until {}"),
    ),
    "credentials.evicted": (("store", "store {}:"), ("key", "AWS does not take key {} any more,"), ("why", "{}")),
    "secrets.fetched": (("store", "store {}:"), ("count", "{}"), ("of", "of {} read")),
    "session.renewed": (("key", "the command's session was renewed: key {},"), ("expires", "until {}")),
    "session.not-renewed": (("key", "the command's session of key {} could not be renewed:"), ("why", "{}")),
    "login.renewed": (("login", "{}"), ("until", "was renewed until {},"), ("why", "{}")),
    "clock.corrected": (
        ("minutes", "this machine's clock is {}"),
        ("side", "{}"),
        ("endpoint", "that of {}: requests are signed for AWS's time; set the clock"),
    ),
    "keys.rotating": (("name", "key {}:"), ("step", "{}")),
    "keys.waiting": (("name", "waiting until AWS knows the new key of {}"),),
    "logs.read": (("percent", "{}"), ("of", "of {} read")),
    "checks.made": (("percent", "{}"), ("of", "of {} checked")),
    "query.waiting": (
        ("engine", "{}:"),
        ("state", "the query is {},"),
        ("seconds", "{} s,"),
        ("scanned", "{} scanned"),
    ),
    "mfa.waiting": (("seconds", "waiting {} s for the next MFA code"), ("device", "of {}:"), ("why", "{}")),
}
"""Map each event to its facts and their words, in sentence order; words of a fact without a value are left out."""


def sentence(event: Event) -> str:
    """Return the event as a sentence; for an unknown event, such as a plugin's, its name and facts."""
    facts = {name: value for name, value in event.facts.items() if value}
    if event.name in _SENTENCES:
        words = [form.format(facts[name]) for name, form in _SENTENCES[event.name] if name in facts]
        return clean(" ".join(words).rstrip(",:"))
    details = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in facts.items())
    name = event.name.replace(".", " ").replace("-", " ")
    return clean(f"{name}: {details}" if details else name)
