"""Shows the pipeline's events on stderr: one line per event with --verbose, otherwise one overwritten line."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from dsops.cli.framework.output import note, tell
from dsops.runtime import NOTES, Event
from dsops.text import clean

_REPEATED = ("keys.waiting", "mfa.waiting", "query.waiting")
_ERASE_LINE = "\r\x1b[K"
_COLUMNS = 80
"""The width in columns to assume for a terminal that does not report its width."""


class Progress:
    """Shows events on stderr; unless `is_kept`, each event overwrites the last, and `done` erases the line."""

    def __init__(self, *, is_kept: bool) -> None:
        self._is_kept = is_kept
        self._is_shown = False
        self._last = ""

    def report(self, event: Event) -> None:
        """Show one event; `done` erases the line."""
        if event.name == "done":
            self._clear()
            return
        if event.name in NOTES:
            self._clear()
            note(sentence(event))
            return
        text = f"dsops: {sentence(event)}"
        if self._is_kept:
            # A wait is reported every second; only the first of its events is written.
            if event.name != self._last or event.name not in _REPEATED:
                tell(text)
            self._last = event.name
            return
        sys.stderr.write(f"{_ERASE_LINE}{_fitted(text, _columns() - 1)}")
        sys.stderr.flush()
        self._is_shown = True

    def _clear(self) -> None:
        if self._is_shown:
            sys.stderr.write(_ERASE_LINE)
            sys.stderr.flush()
            self._is_shown = False


def _columns() -> int:
    """The current width of the terminal."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or _COLUMNS
    except (OSError, ValueError):
        return _COLUMNS


def _fitted(text: str, columns: int) -> str:
    """Cut the text to one row of the terminal, since only one row can be erased.

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
    "accounts.listed": (("count", "permission sets of {}"), ("of", "of {} accounts are listed")),
    "logs.read": (("percent", "{}"), ("files", "of {} read")),
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
