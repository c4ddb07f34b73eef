"""The encoded forms of a secret value that masking searches for, with examples and counter-examples."""

from __future__ import annotations

import base64
import shutil
import subprocess

import pytest

from dsops.process.secret_spellings import forms_of

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
    """The list of forms contains the encodings that libraries of several languages produce."""
    assert form in forms_of(VALUE)


@pytest.mark.parametrize(
    "form",
    [
        rb"""it\'s "\\\x01\xf6\U0001f511\x7f""",
        rb"it's \"\\\x01\u00f6\U0001f511\x7f",
        "it's \\\"\\\\\\x01ö🔑\\x7f".encode(),
        "it&#39;s &quot;\\\x01ö🔑\x7f".encode(),
        b"it&apos;s &quot;\\\x01&ouml;&#128273;\x7f",
        "it's \\\"\\\\\\u0001ö🔑\x7f".encode(),
        b"69 74 27 73 20 22 5c 01 c3 b6 f0 9f 94 91 7f",
        b"69:74:27:73:20:22:5C:01:C3:B6:F0:9F:94:91:7F",
        b"6974 2773 2022 5c01 c3b6 f09f 9491 7f",
        b"69 7427 7320 225c 01c3 b6f0 9f94 917f",
        "it's \"\\\x01ö🔑\x7f".encode("utf-16-le"),
        "it's \"\\\x01ö🔑\x7f".encode("utf-16-be"),
        "it'\\''s \"\\\x01ö🔑\x7f".encode(),
        rb"it\'s \"\\\001\303\266\360\237\224\221\177".replace(rb" \"", b' "'),
    ],
)
def test_quoting_of_several_languages_is_known(form: bytes) -> None:
    """The list of forms contains quoted forms of Python, Go, HTML, JSON, od, xxd, UTF-16 and shells."""
    assert form in forms_of("it's \"\\\x01ö🔑\x7f".encode())


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash says how bash quotes")
@pytest.mark.parametrize("value", ["it's", 'a b$c`d"e\\f', "one,two=~{}[]", "line\nbreak\ttab\x1b", "wörd key🔑"])
@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_what_bash_writes_for_a_value_is_known(value: str, locale: str) -> None:
    """Each form that bash's `printf %q`, `${x@Q}`, `declare -p` and `set -x` write is in the list of forms."""
    forms = [form for form in forms_of(value.encode()) if len(form) >= len(value.encode())]
    for script in ('printf %q "$1"', 'echo "${1@Q}"', 'exec 2>&1; set -x; : "$1"', "x=$1; declare -p x"):
        environ = {"LC_ALL": locale, "PATH": "/usr/bin:/bin"}
        done = subprocess.run(
            ["bash", "-c", script, "bash", value], capture_output=True, check=True, env=environ, timeout=60
        )
        assert [form for form in forms if form in done.stdout], done.stdout


def test_the_fields_of_a_json_secret_are_looked_for() -> None:
    """Fields of a JSON secret are searched for individually: passwords, numbers as written, nested JSON."""
    inner = rb'"{\"pin\": 0.12340}"'
    forms = forms_of(b'{"user": "administrator", "deep": [{"port": 54321, "on": true, "no": null}, %s]}' % inner)
    assert {b"administrator", b"54321", b"0.12340"} <= forms
    assert not {b"user", b"port", b"true", b"null", b"deep"} & forms


@pytest.mark.parametrize("value", [b"[" * 100_000, b'{"a": ', b"{1: 2}", b"[\xff, 12345]", b'["\\ud800abcd"]'])
def test_what_is_no_json_is_looked_for_as_it_is(value: bytes) -> None:
    """A value that is not JSON is searched for as a whole, whatever its first characters and its nesting are."""
    assert value in forms_of(value)


@pytest.mark.parametrize("value", [b"abcd", b"abcde", b"abcdef", bytes(range(1, 200)), b"\xff\xfe\xfd\xfc"])
@pytest.mark.parametrize("before", [b"", b"u", b"us", b"user", b"user:"])
@pytest.mark.parametrize("after", [b"", b"\n", b"xy", b"xyz"])
def test_in_the_middle_of_base64_what_is_certain_is_found(value: bytes, before: bytes, after: bytes) -> None:
    """A value inside longer base64 data is found at all three alignments.

    Its first and last letters are ignored, because they depend on the neighbouring bytes.
    """
    for encoded in (base64.b64encode(before + value + after), base64.urlsafe_b64encode(before + value + after)):
        found = max((form for form in forms_of(value) if form in encoded), key=len)
        assert len(found) >= len(value) * 4 // 3 - 2


def test_base64_in_lines_is_found_line_by_line() -> None:
    """base64 in lines of 76 letters (`base64`) or 64 (PEM) is found line by line."""
    value = bytes(range(256))
    whole = base64.b64encode(value)
    for length in (76, 64):
        lines = {whole[start : start + length] for start in range(0, len(whole), length)}
        assert lines <= forms_of(value)


def test_lines_are_looked_for_by_themselves() -> None:
    """Each line of a value is searched for, since part of a key may be printed.

    The line ends may be a terminal's.
    """
    forms = forms_of(b"first line\r\nsecond line\n\nabc\n")
    assert {b"first line", b"second line"} <= forms
    assert b"abc" not in forms


@pytest.mark.parametrize("value", [b"", b"a", b"abc"])
def test_what_is_shorter_than_four_bytes_is_not_looked_for(value: bytes) -> None:
    """Values shorter than four bytes are not searched for, because they occur by chance."""
    assert forms_of(value) == frozenset()
