"""The tree that a document becomes: scalars, lists and mappings, each with its line, and the limits of a document."""

from __future__ import annotations

from dsops.errors import Problem
from dsops.startup import Literal, NamedTuple

Kind = Literal["text", "integer", "number", "boolean", "null"]

MAX_CHARACTERS = 1 << 20
"""The longest YAML text that is read: enough for ten thousand stores, too little for a file named by mistake."""

MAX_DEPTH = 100
"""How deep lists and mappings may nest; dsops' own files need ten levels."""

MAX_NODES = 250_000
"""The most values of a document with all aliases expanded; this stops alias bombs."""


MAX_EXPANDED_CHARACTERS = 4 * MAX_CHARACTERS
"""The most characters of a document with all aliases expanded: aliases of one long text would be a bomb as well."""


class Scalar(NamedTuple):
    """One value: `text` exactly as written (`007`), `kind` the type that plain YAML or JSON gives it."""

    text: str
    kind: Kind
    line: int


class Sequence(NamedTuple):
    """A list."""

    items: tuple[Node, ...]
    line: int


class Mapping(NamedTuple):
    """Keys and values in the order written. Each key occurs once: a repeated key is a problem of the document."""

    entries: tuple[tuple[Scalar, Node], ...]
    line: int

    def get(self, key: str) -> Node | None:
        """The value of that key, or None."""
        for name, node in self.entries:
            if name.text == key:
                return node
        return None


Node = Scalar | Sequence | Mapping


class Document(NamedTuple):
    """The result of parsing. `root` is None for an empty or malformed text; `problems` are in line order.

    If reading continued after a problem (a repeated key, a comment in JSON), `root` is what could be read: of a
    repeated key the first value.
    """

    root: Node | None
    problems: tuple[Problem, ...]
    is_too_large: bool = False
    """Whether the text was refused for its size, depth or expansion rather than for its content."""


def is_json_number(text: str) -> bool:
    """Whether the text is a number in JSON."""
    import re

    return re.fullmatch(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?", text, re.ASCII) is not None
