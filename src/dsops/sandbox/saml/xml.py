"""XML that strangers send -> a tree in which nothing but elements and their text is believed.

No document type, so no entities; nothing is fetched; lxml's own limits on depth and size stay on (OWASP, "XML External
Entity Prevention"; SAML V2.0 Errata, E91). lxml is imported by the first document that arrives.
"""

from __future__ import annotations

from typing import Any, Final

Element = Any  # lxml ships no types

ASSERTION: Final = "urn:oasis:names:tc:SAML:2.0:assertion"
PROTOCOL: Final = "urn:oasis:names:tc:SAML:2.0:protocol"
METADATA: Final = "urn:oasis:names:tc:SAML:2.0:metadata"
SIGNATURE: Final = "http://www.w3.org/2000/09/xmldsig#"


def tag(namespace: str, name: str) -> str:
    """An element's name as lxml writes it."""
    return f"{{{namespace}}}{name}"


def parse(content: bytes) -> Element:
    """The root. Raises ValueError for what is no XML, has a document type, or is not UTF-8."""
    from lxml import etree

    content.decode("utf-8")
    # In UTF-8 it can't be written another way; a comment that holds these letters is no loss.
    if b"<!DOCTYPE" in content:
        raise ValueError("there is a document type in it")
    try:
        return etree.fromstring(content, strict_parser())
    except etree.XMLSyntaxError as error:
        raise ValueError("it is not XML") from error


def strict_parser() -> Any:  # lxml's own
    """For whoever parses parts of such a document again."""
    from lxml import etree

    return etree.XMLParser(
        encoding="utf-8", resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False
    )


def text_of(element: Element) -> str | None:
    """The text, when there is nothing else in the element; None otherwise.

    A comment splits a text: whoever reads the first half of `admin@example.com<!---->.evil.example` lets the wrong one
    in (CVE-2017-11427 and its sisters).
    """
    return None if len(element) else str(element.text or "").strip()


def elements_of(element: Element, namespace: str, name: str) -> list[Element]:
    """The children of that name."""
    found: list[Element] = element.findall(tag(namespace, name))
    return found


def only(element: Element, namespace: str, name: str) -> Element | None:
    """The child of that name when there is exactly one."""
    found = elements_of(element, namespace, name)
    return found[0] if len(found) == 1 else None
