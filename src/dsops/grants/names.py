"""Generate names that are unique in a generated file and valid in that file's language."""

from __future__ import annotations

import re


class UniqueNames:
    """Generates names and never returns one name twice."""

    def __init__(self, unfit: str, instead: str) -> None:
        """`unfit` is a pattern for invalid characters, `instead` their replacement."""
        self._unfit = unfit
        self._instead = instead
        self._given: set[str] = set()

    def of(self, text: str) -> str:
        """Return a name made from the text that has not been returned before."""
        name = re.sub(self._unfit, self._instead, text)
        if not name[:1].isalpha():
            name = f"X{name}"
        unique, number = name, 1
        while unique.lower() in self._given:
            number += 1
            unique = f"{name}{number}"
        self._given.add(unique.lower())
        return unique
