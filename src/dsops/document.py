"""YAML and JSON text -> a tree with a line number for every value. The only file that knows PyYAML."""

from __future__ import annotations

from typing import Literal, NamedTuple

from dsops.errors import Problem

Kind = Literal["text", "integer", "number", "boolean", "null"]


class Scalar(NamedTuple):
    """One value. `text` is exactly what was written (`007` stays `007`); `kind` is what plain YAML or JSON would read it as."""

    text: str
    kind: Kind
    line: int


class Sequence(NamedTuple):
    """A list."""

    items: tuple[Node, ...]
    line: int


class Mapping(NamedTuple):
    """Keys and values in the order written; a key stands once (a repeated one is a problem of the document)."""

    entries: tuple[tuple[Scalar, Node], ...]
    line: int

    def get(self, key: str) -> Node | None:
        """The value under that key, or None."""
        for name, node in self.entries:
            if name.text == key:
                return node
        return None


Node = Scalar | Sequence | Mapping


class Document(NamedTuple):
    """What a text says. `root` is None when it is empty or not well-formed; `problems` are in line order."""

    root: Node | None
    problems: tuple[Problem, ...]
