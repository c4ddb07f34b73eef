"""What is wrong with a policy document, and the readers of its plainest values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from dsops.document import Node, Scalar, Sequence
from dsops.errors import Problem, Where

SYNTAX: Final = "Syntax errors in policy."
"""IAM's words for whatever it has no better ones for."""


class Notes:
    """Collects problems, each with the words that IAM has for it (from documentation and users' reports)."""

    def __init__(self, file: str) -> None:
        self.problems: list[tuple[Problem, str]] = []
        self._file = file

    def note(self, line: int, path: str, message: str, *, hint: str = "", aws: str = SYNTAX) -> None:
        """One more problem. `path` leads to it from the top of the document."""
        self.problems.append((Problem(Where(self._file, line), path, message, hint), aws))

    def text(self, node: Node, path: str) -> str:
        """The text; "" and a problem when it is none."""
        if isinstance(node, Scalar) and node.kind == "text":
            return node.text
        self.note(node.line, path, "this must be a text in quotes")
        return ""

    def texts(self, node: Node, path: str) -> list[Scalar]:
        """The one text or the texts of a list, which must not be empty."""
        items = node.items if isinstance(node, Sequence) else (node,)
        if not items:
            self.note(node.line, path, "the list is empty")
        found = []
        for index, item in enumerate(items):
            if isinstance(item, Scalar) and item.kind == "text":
                found.append(item)
            else:
                at = f"{path}[{index}]" if isinstance(node, Sequence) else path
                self.note(item.line, at, "this must be a text in quotes")
        return found

    def attempt(self, scalar: Scalar, path: str, check: Callable[[str], object], *, aws: str = SYNTAX) -> None:
        """The check's ValueError as a problem."""
        try:
            check(scalar.text)
        except ValueError as error:
            self.note(scalar.line, path, str(error), aws=aws)
