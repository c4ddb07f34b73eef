"""The source says who does what: caller, role, client, user, administrator, process."""

from __future__ import annotations

import re

from tests.project.source import modules

VAGUE = re.compile(r"\b(?:somebody|nobody|whoever|anybody|whom)\b", re.IGNORECASE)
MOST_LINES = 412
"""How many lines of the source have one of these words."""


def test_the_source_says_who_does_what() -> None:
    """A vague word makes a reader ask who is meant."""
    lines = [
        f"{name}:{number}"
        for name, file in modules().items()
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if VAGUE.search(line)
    ]
    assert len(lines) <= MOST_LINES, lines[-20:]
