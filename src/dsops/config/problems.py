"""What is wrong with a configuration, collected so that all of it is told at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dsops.errors import ConfigError, ConfigTooLarge, Problem, SyntaxInvalid, Where, nearest

_MOST = 100
"""A file that was mistaken for a configuration has thousands."""

_MOST_NAMES = 20
"""A hint lists no more names than that."""


class Problems:
    """Problems and notes. `files` gives the order in which the files were read."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.is_too_large = False
        self.has_bad_syntax = False
        self._found: list[Problem] = []
        self._more = 0
        self._seen: set[tuple[Where, str, str]] = set()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is wrong so far."""
        return not self._found

    def add(
        self, where: Where, path: str, message: str, hint: str = "", *, word: str = "", known: Iterable[str] = ()
    ) -> None:
        """One more problem, unless that place has it already.

        Where `word` is near one of the `known` names, that becomes the hint, else all of them.
        """
        if (where, path, message) in self._seen:
            return
        self._seen.add((where, path, message))
        if len(self._found) >= _MOST:
            self._more += 1
            return
        if word:
            names = list(known)
            meant = nearest(word, names)
            if meant:
                hint = f"did you mean `{meant}`?"
            elif not hint and 0 < len(names) <= _MOST_NAMES:
                hint = f"there is only `{names[0]}`" if len(names) == 1 else f"there are {', '.join(names)}"
        self._found.append(Problem(where, path, message, hint))

    def extend(self, problems: Iterable[Problem]) -> None:
        """Problems that have been put into words elsewhere."""
        for problem in problems:
            self.add(*problem)

    def in_order(self, files: Sequence[str]) -> tuple[Problem, ...]:
        """Every problem, in the order of `files` and lines."""
        order = {file: index for index, file in enumerate(files)}
        found = sorted(self._found, key=lambda problem: (order.get(problem.where.file, -1), problem.where.line))
        return tuple(found)

    def raise_any(self, files: Sequence[str]) -> None:
        """Raises one error with every problem; nothing when there is none. `files` are in order, the main one first."""
        if not self._found:
            return
        count = len(self._found) + self._more
        kind = ConfigTooLarge if self.is_too_large else SyntaxInvalid if self.has_bad_syntax else ConfigError
        raise kind(
            f"{files[0]} can't be used: it has {count} problem{'s' if count > 1 else ''}",
            why=f"the first {_MOST} are shown" if self._more else "",
            problems=self.in_order(files),
        )
