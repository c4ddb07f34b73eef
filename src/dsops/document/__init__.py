"""YAML and JSON text -> a tree with a line number for every value. The only room that knows PyYAML.

Any room may import it, and does so from here: each reader is loaded when a text of its kind is read.
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
    """The one document of a YAML text, anchors and `<<` followed.

    Numbers keep their text and dates are text: YAML 1.1 would read `0777` as 511 and `12:30` as 750.
    `file` is how problems name the text. Several documents, tags of an application and keys that are no
    scalars are problems; with `has_functions` a tag such as `!Ref` is CloudFormation's short form of a mapping.
    """
    from dsops.document.yaml_reader import read

    return read(text, file, has_functions=has_functions)


def parse_json(text: str, file: str, *, comments: bool = False) -> Document:
    """The value of a JSON text (RFC 8259); with `comments`, `//` and `/* */` are white space.

    Comments, repeated keys, missing and trailing commas are problems over which reading goes on, so that all
    are reported. Linear in the length of the text, which is not limited; its depth is.
    """
    from dsops.document.json_reader import read

    return read(text, file, comments=comments)


def to_json(node: Node) -> str:
    """Compact JSON text of a node: order kept, numbers with the text they were written in.

    What YAML calls a number and JSON does not (`012345678901`, `0x1f`, `.5`) becomes a string, as it is.
    """
    from dsops.document.json_writer import write

    return write(node)


def to_plain(node: Node) -> object:
    """The node as Python's dict, list, str, int, float, bool and None, by the same rules as `to_json`."""
    import json

    return json.loads(to_json(node))
