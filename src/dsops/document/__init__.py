"""Parses YAML and JSON into a tree with a line number for every value. Only this package uses PyYAML.

The input is text; the output is nodes (`Mapping`, `Scalar` and so on), or an error with the line. The package also
writes JSON. Any package above may import it, and only from this module: each reader is loaded when a text of its kind
is read.
"""

from __future__ import annotations

from collections.abc import Mapping as MappingType

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
    "append_item",
    "is_json_number",
    "parse_json",
    "parse_yaml",
    "to_json",
    "to_plain",
]


def parse_yaml(text: str, file: str, *, has_functions: bool = False) -> Document:
    """Parse one YAML document, with anchors and `<<` resolved. Numbers keep their text, and dates are strings.

    YAML 1.1 would read `0777` as 511 and `12:30` as 750. `file` is the name of the document in problems. Several
    documents, application tags, and keys that are not scalars are reported as problems. With `has_functions`, tags
    such as `!Ref` are read as CloudFormation's short form of a mapping.
    """
    from dsops.document.yaml_reader import read

    return read(text, file, has_functions=has_functions)


def parse_json(text: str, file: str, *, comments: bool = False) -> Document:
    """Parse a JSON text (RFC 8259). With `comments`, `//` and `/* */` are treated as white space.

    The parser continues after comments, repeated keys, and missing or trailing commas, so that all these problems are
    reported. The time is linear in the length of the text. The length is not limited, but the depth is.
    """
    from dsops.document.json_reader import read

    return read(text, file, comments=comments)


def append_item(text: str, key: str, item: MappingType[str, str]) -> str | None:
    """Return the text with one more item at the end of the list at `key` of the root; None if there is no such list.

    Comments and layout of the text stay as they are. The caller parses the result to check it.
    """
    from dsops.document.appending import append_item as append

    return append(text, key, item)


def to_json(node: Node) -> str:
    """Return the node as compact JSON, with keys in the node's order and numbers as written.

    A number that is valid in YAML but not in JSON (`012345678901`, `0x1f`, `.5`) becomes a string with the same text.
    """
    from dsops.document.json_writer import write

    return write(node)


def to_plain(node: Node) -> object:
    """Convert the node to dict, list, str, int, float, bool and None, by the same rules as `to_json`."""
    import json

    return json.loads(to_json(node))
