"""Collects the problems of a configuration, to report them all at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dsops.errors import ConfigError, ConfigTooLarge, Problem, SyntaxInvalid, Where, nearest

_MOST = 100
"""The maximum number of reported problems: a file that is not a configuration would have thousands."""

_MOST_NAMES = 20
"""The maximum number of names in a hint."""


class Problems:
    """Problems and notes, in the order in which they were found."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.is_too_large = False
        self.has_bad_syntax = False
        self._found: list[Problem] = []
        self._more = 0
        self._seen: set[tuple[Where, str, str]] = set()
        self.unknown_stores: set[str] = set()
        """The store names that a store or variable refers to, although no such store exists."""

    @property
    def is_empty(self) -> bool:
        """Whether no problem has been added."""
        return not self._found

    def add(
        self, where: Where, path: str, message: str, hint: str = "", *, word: str = "", known_words: Iterable[str] = ()
    ) -> None:
        """Add a problem, unless the same problem was added before.

        If `word` is similar to one of `known_words`, the hint suggests that word; otherwise it lists all of them.
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

    def add_unknown_store(self, where: Where, path: str, name: str, known_names: Iterable[str], hint: str = "") -> None:
        """Add the problem that a store or variable uses a store that does not exist."""
        self.unknown_stores.add(name)
        self.add(where, path, f"there is no store `{name}`", hint, word=name, known_words=known_names)

    def copy(self) -> Problems:
        """Return a copy. Problems added to it are not added to the original."""
        copied = Problems()
        for name, value in vars(self).items():
            setattr(copied, name, value.copy() if isinstance(value, (list, set)) else value)
        return copied

    def extend(self, problems: Iterable[Problem]) -> None:
        """Add several problems."""
        for problem in problems:
            self.add(*problem)

    def in_order(self, files: Sequence[str]) -> tuple[Problem, ...]:
        """Return every problem, in the order of `files` and lines."""
        order = {file: index for index, file in enumerate(files)}
        problems = sorted(self._found, key=lambda problem: (order.get(problem.where.file, -1), problem.where.line))
        return tuple(problems)

    def raise_any(self, files: Sequence[str]) -> None:
        """Raise one error with every problem; do nothing without problems. The first of `files` is the main file."""
        if not self._found:
            return
        count = len(self._found) + self._more
        kind = ConfigTooLarge if self.is_too_large else SyntaxInvalid if self.has_bad_syntax else ConfigError
        raise kind(
            f"{files[0]} can't be used: it has {count} problem{'s' if count > 1 else ''}",
            why=f"the first {_MOST} are shown" if self._more else "",
            problems=self.in_order(files),
        )
