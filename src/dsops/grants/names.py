"""Unique names for the language of a generated file."""

from __future__ import annotations

import re


class UniqueNames:
    """The names used so far; each new one differs from all others."""

    def __init__(self, unfit: str, instead: str) -> None:
        """`unfit` matches characters that no name may have, `instead` replaces them."""
        self._unfit = unfit
        self._instead = instead
        self._given: set[str] = set()

    def of(self, text: str) -> str:
        """A unique name derived from the text."""
        name = re.sub(self._unfit, self._instead, text)
        if not name[:1].isalpha():
            name = f"X{name}"
        unique, number = name, 1
        while unique.lower() in self._given:
            number += 1
            unique = f"{name}{number}"
        self._given.add(unique.lower())
        return unique
