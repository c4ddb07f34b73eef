"""Filters and sorts choices by what the user types; recent choices come first."""

from __future__ import annotations

from collections.abc import Sequence

from dsops.runtime import Choice
from dsops.startup import Literal, NamedTuple

Action = Literal["use", "console", "export"]
"""What the user does with the choice: use it in the command, open the AWS console, or print `export` lines."""


class Picked(NamedTuple):
    """The user's choice, and what to do with it."""

    choice: Choice
    action: Action = "use"
    marked: tuple[Choice, ...] = ()
    """The choices that the user has marked, in a list from which several can be chosen."""


class Matcher:
    """Finds the choices that match what the user types, fast enough for 2,000 choices at every key."""

    def __init__(self, choices: Sequence[Choice], recent: Sequence[str] = ()) -> None:
        """`recent` has the names chosen earlier, the most recent first."""
        self.choices = choices
        ages = {name: age for age, name in enumerate(recent)}
        self._names = [choice.name.casefold() for choice in choices]
        self._texts = [f"{choice.name} {choice.detail}".casefold() for choice in choices]
        self._order = sorted(range(len(choices)), key=lambda index: ages.get(choices[index].name, len(ages)))
        """The positions of the choices: recently chosen ones first, then the others in the order of `choices`."""

    def matching(self, typed: str) -> list[int]:
        """Return the positions of the choices that contain every typed word, the best match first; case is ignored.

        If no choice contains all words, the matches are the choices whose name contains the typed letters in that
        order: `prd` matches `prod`.
        """
        words = typed.casefold().split()
        if not words:
            return self._order
        found = [index for index in self._order if all(word in self._texts[index] for word in words)]
        if found:
            return sorted(found, key=lambda index: self._rank(index, words))
        letters = "".join(words)
        return [index for index in self._order if _has_letters(self._names[index], letters)]

    def _rank(self, index: int, words: Sequence[str]) -> int:
        """Return the rank: 0 for the whole name, 1 for its beginning, 2 for its other words, 3 for the detail."""
        name = self._names[index]
        typed = " ".join(words)
        if name == typed:
            return 0
        if name.startswith(typed):
            return 1
        return 2 if all(word in name for word in words) else 3


def _has_letters(name: str, letters: str) -> bool:
    """Whether the name contains these letters in this order, possibly with others in between."""
    rest = iter(name)
    return all(letter in rest for letter in letters)
