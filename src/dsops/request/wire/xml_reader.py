"""Parse an XML body into parameters. Refuses DOCTYPEs and entities (entity expansion, external entities)."""

from __future__ import annotations

from typing import Any, NamedTuple, NoReturn
from xml.parsers import expat

from dsops.errors import SandboxRefusal
from dsops.request.wire.errors import refusal
from dsops.request.wire.scalars import scalar

# botocore ships no type hints, so its shapes are annotated as Any in this module.
_DEEPEST = 50


class XmlNode(NamedTuple):
    """An XML element. The element's name has no namespace prefix, but attribute names keep their prefixes."""

    name: str
    attributes: dict[str, str]
    children: list[XmlNode]
    text: list[str]

    def named(self, name: str) -> list[XmlNode]:
        """Return the child elements with that name."""
        return [child for child in self.children if child.name == name]


def read_xml(body: bytes) -> XmlNode:
    """Return the root element of the body. Raises MalformedXML."""
    top = XmlNode("", {}, [], [])
    open_nodes = [top]

    def start(name: str, attributes: dict[str, str]) -> None:
        if len(open_nodes) > _DEEPEST:
            raise malformed_xml()
        node = XmlNode(name.rpartition(":")[2], attributes, [], [])
        open_nodes[-1].children.append(node)
        open_nodes.append(node)

    def text(data: str) -> None:
        open_nodes[-1].text.append(data)

    def refuse(*_: object) -> NoReturn:
        raise malformed_xml()

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.EndElementHandler = lambda _: open_nodes.pop()
    parser.CharacterDataHandler = text
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(body, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise malformed_xml() from error
    return top.children[0]


def structure_from_xml(shape: Any, node: XmlNode) -> dict[str, object]:
    """Return the parameters in the child elements that the model defines. Raises MalformedXML, MalformedInput."""
    parameters: dict[str, object] = {}
    for name, member in shape.members.items():
        wire_name = member.serialization.get("name", name)
        if member.serialization.get("xmlAttribute"):
            if wire_name in node.attributes:
                parameters[name] = node.attributes[wire_name]
            continue
        # A flattened list has one element per item, with the name of the list.
        matching_nodes = node.named(wire_name)
        if not matching_nodes:
            continue
        if len(matching_nodes) > 1 and not member.serialization.get("flattened"):
            raise malformed_xml()
        if member.serialization.get("flattened"):
            parameters[name] = _flat(member, matching_nodes)
        else:
            parameters[name] = value_from_xml(member, matching_nodes[0])
    return parameters


def value_from_xml(shape: Any, node: XmlNode) -> object:
    """Convert an element to the shape's type. Raises MalformedXML or MalformedInput."""
    kind = shape.type_name
    if kind == "structure":
        return structure_from_xml(shape, node)
    if kind == "list":
        items = node.named(shape.member.serialization.get("name", "member"))
        return [value_from_xml(shape.member, item) for item in items]
    if kind == "map":
        return _map(shape, node.named("entry"))
    if node.children:
        raise malformed_xml()
    return scalar(kind, "".join(node.text))


def _flat(shape: Any, nodes: list[XmlNode]) -> object:
    if shape.type_name == "map":
        return _map(shape, nodes)
    return [value_from_xml(shape.member, node) for node in nodes]


def _map(shape: Any, entries: list[XmlNode]) -> dict[str, object]:
    key_name = shape.key.serialization.get("name", "key")
    value_name = shape.value.serialization.get("name", "value")
    items = {}
    for entry in entries:
        keys, values = entry.named(key_name), entry.named(value_name)
        if len(keys) != 1 or len(values) != 1:
            raise malformed_xml()
        items[str(value_from_xml(shape.key, keys[0]))] = value_from_xml(shape.value, values[0])
    return items


def malformed_xml() -> SandboxRefusal:
    """Return S3's MalformedXML error (400)."""
    return refusal(
        "MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema"
    )
