"""The forms in which a value is looked for: each by an example, and what is none."""

from __future__ import annotations

import base64

import pytest

from dsops.process.forms import forms_of

VALUE = "pa ss/wörd<1>\n".encode()


@pytest.mark.parametrize(
    "form",
    [
        VALUE,
        "pa ss/wörd<1>".encode(),
        b"pa%20ss%2Fw%C3%B6rd%3C1%3E%0A",
        b"pa%20ss%2fw%c3%b6rd%3c1%3e%0a",
        b"pa%20ss/w%C3%B6rd%3C1%3E",
        b"pa+ss%2Fw%C3%B6rd%3C1%3E%0A",
        rb"pa ss/w\u00f6rd<1>\n",
        rb"pa ss/w\u00F6rd<1>\n",
        r"pa ss/wörd<1>\n".encode(),
        r"pa ss\/wörd<1>\n".encode(),
        rb"pa ss\/w\u00f6rd<1>\n",
        r"pa ss/wörd\u003c1\u003e\n".encode(),
        r"pa ss/wörd\u003C1\u003E\n".encode(),
        base64.b64encode(VALUE),
        base64.b64encode(VALUE).rstrip(b"="),
        base64.urlsafe_b64encode(VALUE),
    ],
)
def test_a_value_is_looked_for_as(form: bytes) -> None:
    """What libraries of several languages write for it."""
    assert form in forms_of(VALUE)


@pytest.mark.parametrize("value", [b"abcd", b"abcde", b"abcdef", bytes(range(1, 200)), b"\xff\xfe\xfd\xfc"])
@pytest.mark.parametrize("before", [b"", b"u", b"us", b"user", b"user:"])
@pytest.mark.parametrize("after", [b"", b"\n", b"xy", b"xyz"])
def test_in_the_middle_of_base64_what_is_certain_is_found(value: bytes, before: bytes, after: bytes) -> None:
    """At each of the three alignments; but for the two or three letters that hold bits of a neighbour, all of it."""
    for encoded in (base64.b64encode(before + value + after), base64.urlsafe_b64encode(before + value + after)):
        found = max((form for form in forms_of(value) if form in encoded), key=len)
        assert len(found) >= len(value) * 4 // 3 - 2


def test_base64_in_lines_is_found_line_by_line() -> None:
    """`base64` breaks lines after 76 letters, PEM after 64."""
    value = bytes(range(256))
    whole = base64.b64encode(value)
    for length in (76, 64):
        lines = {whole[start:start + length] for start in range(0, len(whole), length)}
        assert lines <= forms_of(value)


def test_lines_are_looked_for_by_themselves() -> None:
    """A key of many lines may be shown in part, and a terminal ends lines in its own way."""
    forms = forms_of(b"first line\r\nsecond line\n\nabc\n")
    assert {b"first line", b"second line"} <= forms
    assert b"abc" not in forms


@pytest.mark.parametrize("value", [b"", b"a", b"abc"])
def test_what_is_shorter_than_four_bytes_is_not_looked_for(value: bytes) -> None:
    """It stands in every output by chance. Nor is any form of it."""
    assert forms_of(value) == frozenset()
