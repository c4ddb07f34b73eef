"""Collects the problems of a configuration, to report them all at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dsops.errors import ConfigError, ConfigTooLarge, Problem, SyntaxInvalid, Where, nearest

_MOST = 100
"""The most problems that are reported: a file that is no configuration has thousands."""

_MOST_NAMES = 20
"""The most names that a hint lists."""


class Problems:
    """Problems and notes. `files` gives the order in which files were read."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.is_too_large = False
        self.has_bad_syntax = False
        self._found: list[Problem] = []
        self._more = 0
        self._seen: set[tuple[Where, str, str]] = set()

    @property
    def is_empty(self) -> bool:
        """Whether there is no problem so far."""
        return not self._found

    def add(
        self, where: Where, path: str, message: str, hint: str = "", *, word: str = "", known_words: Iterable[str] = ()
    ) -> None:
        """Add a problem, unless there is one at that place already.

        If `word` is close to one of the `known_words` names, the hint names it; otherwise all of them.
        """
        if (where, path, message) in self._seen:
            return
        self._seen.add((where, path, message))
        if len(self._found) >= _MOST:
            self._more += 1
            return
        if word:
            names = list(known_words)
            meant = nearest(word, names)
            if meant:
                hint = f"did you mean `{meant}`?"
            elif not hint and 0 < len(names) <= _MOST_NAMES:
                hint = f"there is only `{names[0]}`" if len(names) == 1 else f"there are {', '.join(names)}"
        self._found.append(Problem(where, path, message, hint))

    def extend(self, problems: Iterable[Problem]) -> None:
        """Add problems that are in words already."""
        for problem in problems:
            self.add(*problem)

    def in_order(self, files: Sequence[str]) -> tuple[Problem, ...]:
        """Every problem, in the order of `files` and lines."""
        order = {file: index for index, file in enumerate(files)}
        problems = sorted(self._found, key=lambda problem: (order.get(problem.where.file, -1), problem.where.line))
        return tuple(problems)

    def raise_any(self, files: Sequence[str]) -> None:
        """Raise one error with every problem; does nothing without any. The first of `files` is the main one."""
        if not self._found:
            return
        count = len(self._found) + self._more
        kind = ConfigTooLarge if self.is_too_large else SyntaxInvalid if self.has_bad_syntax else ConfigError
        raise kind(
            f"{files[0]} can't be used: it has {count} problem{'s' if count > 1 else ''}",
            why=f"the first {_MOST} are shown" if self._more else "",
            problems=self.in_order(files),
        )
