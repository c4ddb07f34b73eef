"""Collect the problems of a policy document, and read the document's texts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from dsops.document import Node, Scalar, Sequence
from dsops.errors import Problem, Where

SYNTAX: Final = "Syntax errors in policy."
"""The error message that IAM returns if it has no more specific message."""


class Notes:
    """Collects problems, each with IAM's error message for it (from documentation and users' reports)."""

    def __init__(self, file: str) -> None:
        self.problems: list[tuple[Problem, str]] = []
        self._file = file

    def note(self, line: int, path: str, message: str, *, hint: str = "", aws: str = SYNTAX) -> None:
        """Add a problem. `path` is the path of the element from the top of the document."""
        self.problems.append((Problem(Where(self._file, line), path, message, hint), aws))

    def text(self, node: Node, path: str) -> str:
        """Return a scalar as a string; for any other node add a problem and return ""."""
        if isinstance(node, Scalar) and node.kind == "text":
            return node.text
        self.note(node.line, path, "this must be a text in quotes")
        return ""

    def texts(self, node: Node, path: str) -> list[Scalar]:
        """Return the scalars of a string or of a non-empty list of strings, adding a problem for anything else."""
        items = node.items if isinstance(node, Sequence) else (node,)
        if not items:
            self.note(node.line, path, "the list is empty")
        scalars = []
        for index, item in enumerate(items):
            if isinstance(item, Scalar) and item.kind == "text":
                scalars.append(item)
            else:
                at = f"{path}[{index}]" if isinstance(node, Sequence) else path
                self.note(item.line, at, "this must be a text in quotes")
        return scalars

    def attempt(self, scalar: Scalar, path: str, check: Callable[[str], object], *, aws: str = SYNTAX) -> None:
        """Run `check` on a scalar's text. If it raises ValueError, add the error as a problem."""
        try:
            check(scalar.text)
        except ValueError as error:
            self.note(scalar.line, path, str(error), aws=aws)
