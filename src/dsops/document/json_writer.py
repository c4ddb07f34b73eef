"""Write a node as compact JSON."""

from __future__ import annotations

from json.encoder import encode_basestring

from dsops.document.nodes import Node, Scalar, Sequence, is_json_number

_TRUE = frozenset({"true", "yes", "on"})


def write(node: Node) -> str:
    """Return a node as compact JSON, as `dsops.document.to_json` describes."""
    if isinstance(node, Scalar):
        return _write_scalar(node)
    if isinstance(node, Sequence):
        return "[" + ",".join([write(item) for item in node.items]) + "]"
    return "{" + ",".join([f"{encode_basestring(key.text)}:{write(value)}" for key, value in node.entries]) + "}"


def _write_scalar(scalar: Scalar) -> str:
    if scalar.kind == "null":
        return "null"
    if scalar.kind == "boolean":
        return "true" if scalar.text.lower() in _TRUE else "false"
    if scalar.kind != "text" and is_json_number(scalar.text):
        return scalar.text
    return encode_basestring(scalar.text)
