"""Parses YAML and JSON into a tree with a line number for every value. Only this package uses PyYAML.

Text comes in; nodes (`Mapping`, `Scalar` and so on) go out, or an error with the line; JSON is written here, too. Any
room above may import it, and does so from here: each reader is loaded when a text of its kind is read.
"""

from __future__ import annotations

from dsops.document.nodes import (
    MAX_CHARACTERS,
    MAX_DEPTH,
    MAX_NODES,
    Document,
    Kind,
    Mapping,
    Node,
    Scalar,
    Sequence,
    is_json_number,
)

__all__ = [
    "MAX_CHARACTERS",
    "MAX_DEPTH",
    "MAX_NODES",
    "Document",
    "Kind",
    "Mapping",
    "Node",
    "Scalar",
    "Sequence",
    "is_json_number",
    "parse_json",
    "parse_yaml",
    "to_json",
    "to_plain",
]


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


def to_plain(node: Node) -> object:
    """The node as dict, list, str, int, float, bool and None, by the rules of `to_json`."""
    import json

    return json.loads(to_json(node))
