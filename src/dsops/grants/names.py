"""Names of things in a generated file: fit for its language, and no two alike."""

from __future__ import annotations

import re


class UniqueNames:
    """Those given so far."""

    def __init__(self, unfit: str, instead: str) -> None:
        """`unfit` is a pattern for what no name may have, `instead` what stands in its place."""
        self._unfit = unfit
        self._instead = instead
        self._given: set[str] = set()

    def of(self, text: str) -> str:
        """A name made of the text that nothing else has."""
        name = re.sub(self._unfit, self._instead, text)
        if not name[:1].isalpha():
            name = f"X{name}"
        unique, number = name, 1
        while unique.lower() in self._given:
            number += 1
            unique = f"{name}{number}"
        self._given.add(unique.lower())
        return unique
