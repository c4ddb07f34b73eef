"""Parse untrusted XML into a tree that consists only of elements and text.

The parser refuses a DOCTYPE, and therefore entities. It never uses the network, and lxml's limits on depth and size
stay on (OWASP, "XML External Entity Prevention"; SAML V2.0 Errata, E91). lxml is imported when the first document is
parsed.
"""

from __future__ import annotations

from typing import Any, Final

Element = Any  # Any: lxml has no type hints

ASSERTION: Final = "urn:oasis:names:tc:SAML:2.0:assertion"
PROTOCOL: Final = "urn:oasis:names:tc:SAML:2.0:protocol"
METADATA: Final = "urn:oasis:names:tc:SAML:2.0:metadata"
SIGNATURE: Final = "http://www.w3.org/2000/09/xmldsig#"


def tag(namespace: str, name: str) -> str:
    """Return an element's name in lxml's notation."""
    return f"{{{namespace}}}{name}"


def parse(content: bytes) -> Element:
    """Return the document's root element.

    Raises ValueError for invalid XML, a DOCTYPE, or an encoding other than UTF-8.
    """
    from lxml import etree

    content.decode("utf-8")
    # In UTF-8 a DOCTYPE has only this spelling. A comment with these characters is refused too, which does no harm.
    if b"<!DOCTYPE" in content:
        raise ValueError("the SAML document has a DOCTYPE")
    try:
        return etree.fromstring(content, strict_parser())
    except etree.XMLSyntaxError as error:
        raise ValueError("it is not XML") from error


def strict_parser() -> Any:  # Any: lxml has no type hints
    """Return a parser that rejects DTDs, expands no entities and opens no connection.

    The whole document is parsed with such a parser, and later the signed part again.
    """
    from lxml import etree

    return etree.XMLParser(
        encoding="utf-8", resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False
    )


def text_of(element: Element) -> str | None:
    """Return the element's text, or None if the element has child nodes.

    A comment splits text: a program that reads only the first part of `admin@example.com<!---->.evil.example` accepts
    the wrong user (CVE-2017-11427 and related vulnerabilities).
    """
    return None if len(element) else str(element.text or "").strip()


def elements_of(element: Element, namespace: str, name: str) -> list[Element]:
    """Return the element's direct children with that name."""
    children: list[Element] = element.findall(tag(namespace, name))
    return children


def only(element: Element, namespace: str, name: str) -> Element | None:
    """Return the child element with that name if there is exactly one; otherwise return None."""
    children = elements_of(element, namespace, name)
    return children[0] if len(children) == 1 else None
