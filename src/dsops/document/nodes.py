"""The tree that a document becomes: scalars, lists and mappings, each with its line, and the limits of a document."""

from __future__ import annotations

from dsops.errors import Problem
from dsops.startup import Literal, NamedTuple

Kind = Literal["text", "integer", "number", "boolean", "null"]

MAX_CHARACTERS = 1 << 20
"""The longest YAML text that is read: ten thousand stores fit; a file that was named by mistake does not."""

MAX_DEPTH = 100
"""How deep lists and mappings may nest; what dsops reads needs ten."""

MAX_NODES = 250_000
"""How many values a document may have once every alias is followed: what stops an alias bomb."""


MAX_EXPANDED_CHARACTERS = 4 * MAX_CHARACTERS
"""How many characters its texts may have then: an alias of one long text would be a bomb as well."""


class Scalar(NamedTuple):
    """One value: `text` is just what was written (`007`), `kind` what plain YAML or JSON would read it as."""

    text: str
    kind: Kind
    line: int


class Sequence(NamedTuple):
    """A list."""

    items: tuple[Node, ...]
    line: int


class Mapping(NamedTuple):
    """Keys and values in the order written; a key stands once (repeating it is a problem of the document)."""

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
    """What a text says. `root` is None when it is empty or not well-formed; `problems` are in line order.

    Where reading could go on after a problem (a repeated key, a comment in JSON), `root` is what could be
    made of it: of a repeated key the first value.
    """

    root: Node | None
    problems: tuple[Problem, ...]
    is_too_large: bool = False
    """Whether the text was refused for its size, depth or expansion rather than for what it says."""


def is_json_number(text: str) -> bool:
    """Whether JSON would take the text for a number as it stands."""
    import re

    return re.fullmatch(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?", text, re.ASCII) is not None
