"""Parses YAML and JSON into a tree with a line number for every value. Only this package uses PyYAML."""

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


def parse_yaml(text: str, file: str, *, has_functions: bool = False) -> Document:
    """Parse one YAML document, with anchors and `<<` resolved. Numbers keep their text, and dates are texts.

    YAML 1.1 would read `0777` as 511 and `12:30` as 750. `file` is the text's name in problems. Several documents,
    application tags and keys that are not scalars are problems; with `has_functions`, a tag such as `!Ref` is
    CloudFormation's short form of a mapping.
    """
    from dsops.document.yaml_reader import read

    return read(text, file, has_functions=has_functions)


def parse_json(text: str, file: str, *, comments: bool = False) -> Document:
    """Parse a JSON text (RFC 8259); with `comments`, `//` and `/* */` count as white space.

    Comments, repeated keys, missing and trailing commas are problems after which reading continues, so that all of
    them are reported. Takes time linear in the length of the text, which is not limited; the depth is.
    """
    from dsops.document.json_reader import read

    return read(text, file, comments=comments)


def to_json(node: Node) -> str:
    """Compact JSON of a node, with its order and with numbers as written.

    A number in YAML that is none in JSON (`012345678901`, `0x1f`, `.5`) becomes a string, unchanged.
    """
    from dsops.document.json_writer import write

    return write(node)


def is_json_number(text: str) -> bool:
    """Whether the text is a number in JSON."""
    import re

    return re.fullmatch(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?", text, re.ASCII) is not None


def to_plain(node: Node) -> object:
    """The node as dict, list, str, int, float, bool and None, by the rules of `to_json`."""
    import json

    return json.loads(to_json(node))
