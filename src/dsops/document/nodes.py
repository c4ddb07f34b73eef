"""The nodes of a parsed document (scalars, lists, mappings) with their lines, and the limits of a document."""

from __future__ import annotations

from dsops.errors import Problem
from dsops.startup import Literal, NamedTuple

Kind = Literal["text", "integer", "number", "boolean", "null"]

MAX_CHARACTERS = 1 << 20
"""Maximum number of characters in a YAML document. Ten thousand stores fit; most unrelated files don't."""

MAX_DEPTH = 100
"""Maximum depth of nested lists and mappings. dsops' own files need ten levels."""

MAX_NODES = 250_000
"""Maximum number of values in a document with all aliases expanded. It rejects alias bombs."""


MAX_EXPANDED_CHARACTERS = 4 * MAX_CHARACTERS
"""Maximum number of characters with all aliases expanded. It rejects many aliases of one long text."""


class Scalar(NamedTuple):
    """One value. `text` is the text as written (`007`), and `kind` the type that YAML or JSON gives to that text."""

    text: str
    kind: Kind
    line: int


class Sequence(NamedTuple):
    """A list in a parsed document."""

    items: tuple[Node, ...]
    line: int


class Mapping(NamedTuple):
    """Keys and values in the order written. Each key occurs once; a repeated key is reported as a problem."""

    entries: tuple[tuple[Scalar, Node], ...]
    line: int

    def get(self, key: str) -> Node | None:
        """Return the value of the key, or None."""
        for name, node in self.entries:
            if name.text == key:
                return node
        return None


Node = Scalar | Sequence | Mapping


class Document(NamedTuple):
    """The result of parsing. `root` is None for an empty or malformed text; `problems` are in line order.

    If the parser continued after a problem (a repeated key, a comment in JSON), `root` contains everything that could
    be read, with the first value of a repeated key.
    """

    root: Node | None
    problems: tuple[Problem, ...]
    is_too_large: bool = False
    """Whether the text was rejected because of its size, depth or expansion, not because of its content."""


def is_json_number(text: str) -> bool:
    """Whether the text is a valid number in JSON."""
    import re

    return re.fullmatch(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?", text, re.ASCII) is not None
