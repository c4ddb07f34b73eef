"""Events of the pipeline on stderr: a line each with --verbose, else one line that goes away."""

from __future__ import annotations

import sys

from dsops.cli.output import clean, tell
from dsops.cli.world import DONE
from dsops.runtime import Event

_ERASE_LINE = "\r\x1b[K"
_LONGEST = 79
"""A transient line must not wrap: one row is erased."""


class Progress:
    """Shows events; one that is not kept gives way to the next, and the last is erased."""

    def __init__(self, *, is_kept: bool) -> None:
        self._is_kept = is_kept
        self._is_shown = False

    def report(self, event: Event) -> None:
        """Shows one event; takes the transient line away at the end, and before somebody else writes."""
        if event == DONE:
            self._clear()
            return
        text = f"dsops: {sentence(event)}"
        if self._is_kept:
            tell(text)
            return
        sys.stderr.write(f"{_ERASE_LINE}{text[:_LONGEST]}")
        sys.stderr.flush()
        self._is_shown = True

    def _clear(self) -> None:
        if self._is_shown:
            sys.stderr.write(_ERASE_LINE)
            sys.stderr.flush()
            self._is_shown = False


def sentence(event: Event) -> str:
    """The event's name in words and its facts, those without a value left out."""
    facts = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in event.facts.items() if value)
    words = event.name.replace(".", " ").replace("-", " ")
    return clean(f"{words}: {facts}" if facts else words)
