"""Collect the problems of the planned part of a configuration, to report all of them in one error."""

from __future__ import annotations

from dsops.errors import ConfigError, Problem, VariableUnset, Where


class PlanFindings:
    """Problems and notes, in the order found."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self._found: list[tuple[type[ConfigError], Problem]] = []

    def __len__(self) -> int:
        return len(self._found)

    def add(self, kind: type[ConfigError], where: Where, path: str, message: str, hint: str = "") -> None:
        """Add a problem. `kind` is the error class to raise if all problems have the same class."""
        self._found.append((kind, Problem(where, path, message, hint)))

    def add_problem(self, problem: Problem, kind: type[ConfigError] = ConfigError) -> None:
        """Add a problem."""
        self._found.append((kind, problem))

    def add_error(self, error: ConfigError, where: Where, path: str) -> None:
        """Add an error as a problem at `where`. If the error contains problems with a location, add these instead."""
        if error.problems:
            self._found += [(type(error), problem) for problem in error.problems]
            return
        why = f": {error.why}" if error.why else ""
        # The message already begins with the path: "`secretStores.prod.role_arn` needs the environment variable ..."
        path = "" if isinstance(error, VariableUnset) else path
        self.add(type(error), error.where or where, path, f"{error.message}{why}", error.hint)

    def raise_any(self, subject: str) -> None:
        """Raise one error with every problem, sorted by file and line; do nothing without problems."""
        if not self._found:
            return
        kinds = {kind for kind, _ in self._found}
        kind = kinds.pop() if len(kinds) == 1 else ConfigError
        problems = tuple(sorted({problem for _, problem in self._found}, key=_place))
        raise kind(f"{subject} can't be used as configured", problems=problems)


def _place(problem: Problem) -> tuple[str, int, str, str]:
    return (problem.where.file, problem.where.line, problem.path, problem.message)
