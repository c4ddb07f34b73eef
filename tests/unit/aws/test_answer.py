"""Parsing of AWS's XML and JSON answers and of its Date header."""

from __future__ import annotations

from datetime import UTC, datetime
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsops.aws.http.answer import Element, parse_json, parse_xml, server_time

names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,8}", fullmatch=True)
texts = st.text(st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\ufffe\uffff"), max_size=20)
trees = st.recursive(
    st.tuples(names, texts, st.just(())), lambda inner: st.tuples(names, texts, st.lists(inner, max_size=3).map(tuple))
)


def written(tree: tuple[str, str, tuple[object, ...]]) -> str:
    """The XML text of a tree."""
    name, text, children = tree
    inner = "".join(written(child) for child in children)  # type: ignore[arg-type]
    return f"<{name}>{escape(text)}{inner}</{name}>"


def plain(element: Element) -> tuple[str, str, tuple[object, ...]]:
    """An element as a tree of names and texts."""
    return element.name, element.text, tuple(plain(child) for child in element.children)


@given(trees)
def test_xml_is_read_back(tree: tuple[str, str, tuple[object, ...]]) -> None:
    """Parsed XML has the names, texts and order of the written tree, even with a default namespace."""
    xml = written(tree)
    read = parse_xml(xml.encode())
    assert read is not None
    assert plain(read) == tree
    spaced = parse_xml(xml.replace(f"<{tree[0]}>", f'<{tree[0]} xmlns="https://sts.example/">', 1).encode())
    assert spaced is not None
    assert plain(spaced) == tree


@given(st.binary(max_size=200))
def test_any_bytes_parse_or_give_none(body: bytes) -> None:
    """Any bytes are parsed or give None, without an exception; bytes that the standard library rejects give None."""
    try:
        ET.fromstring(body)  # noqa: S314 (an oracle for 200 bytes)
    except (ET.ParseError, ValueError, LookupError):
        assert parse_xml(body) is None
    assert parse_json(body) is None or isinstance(parse_json(body), dict)


@pytest.mark.parametrize(
    "body",
    [
        b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>',
        b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
        b"<!DOCTYPE a><a/>",
        b"<a>" * 60 + b"</a>" * 60,
        b"<a>&unknown;</a>",
        b"<a/><b/>",
        b"",
    ],
)
def test_xml_with_a_document_type_is_rejected(body: bytes) -> None:
    """XML with a document type is rejected, because it could declare entities that read files or exhaust memory."""
    assert parse_xml(body) is None


def test_finding_by_path() -> None:
    """`find` returns the first matching element or None; `text_of` returns its text or "" for none."""
    root = parse_xml(b"<r><a><b> one </b><b>two</b></a><a><c>three</c></a></r>")
    assert root is not None
    assert root.text_of("a/b") == "one"
    assert root.text_of("a/c") == ""
    assert root.find("x/y") is None
    assert "one" not in repr(root)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Tue, 24 Nov 2026 12:34:56 GMT", datetime(2026, 11, 24, 12, 34, 56, tzinfo=UTC)),
        ("Sun, 01 Mar 2026 00:00:00 GMT", datetime(2026, 3, 1, tzinfo=UTC)),
        ("Tue, 24 Nov 2026 12:34:56 CET", None),
        ("Tue, 31 Feb 2026 12:34:56 GMT", None),
        ("Tue, 24 Nox 2026 12:34:56 GMT", None),
        ("2026-11-24T12:34:56Z", None),
        ("", None),
    ],
)
def test_the_servers_time(value: str, expected: datetime | None) -> None:
    """`server_time` parses an HTTP date and returns None for any other text."""
    assert expected == server_time({"date": value})
