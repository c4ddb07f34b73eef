"""The masked output does not depend on how the input is cut, and contains no form of a secret."""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
import shlex
from urllib.parse import quote, quote_from_bytes, quote_plus
from xml.sax.saxutils import escape, quoteattr

from hypothesis import example, given, settings
from hypothesis import strategies as st

from dsops.process.mask import MASK, Masker
from dsops.process.secret_spellings import SHORTEST, forms_of
from dsops.process.terminal_codes import TerminalMasker
from tests.groups import examples

FEW = st.sampled_from(b"ab*").map(lambda byte: bytes([byte]))
"""Only three letters, so that patterns overlap each other and themselves."""

PATTERN = st.lists(FEW, min_size=SHORTEST, max_size=9).map(b"".join)
TEXT = st.lists(FEW, max_size=60).map(b"".join)


def masked(patterns: list[bytes], pieces: list[bytes]) -> bytes:
    """The complete output."""
    masker = Masker(patterns)
    return b"".join([*[masker.feed(piece) for piece in pieces], masker.finish()])


def expected(patterns: list[bytes], text: bytes) -> bytes:
    """The expected output by definition: every occurrence is masked, overlapping ones together."""
    found = sorted(
        (start, start + len(pattern))
        for pattern in set(patterns)
        for start in range(len(text))
        if text.startswith(pattern, start)
    )
    out, done = b"", 0
    for start, end in found:
        if start >= done:
            out += text[done:start] + MASK
        done = max(done, end)
    return out + text[done:]


@given(patterns=st.lists(PATTERN, max_size=5), pieces=st.lists(TEXT, max_size=8))
@example(patterns=[b"abab", b"bbbbbbb"], pieces=[b"abab", b"bbb", b"bbb"])
def test_cutting_makes_no_difference(patterns: list[bytes], pieces: list[bytes]) -> None:
    """However the text is cut into pieces, the output equals the definition of masking for the whole text."""
    assert masked(patterns, pieces) == expected(patterns, b"".join(pieces))


@given(patterns=st.lists(PATTERN, min_size=1, max_size=5), text=TEXT)
def test_byte_by_byte_too(patterns: list[bytes], text: bytes) -> None:
    """Fed with single bytes, the masker gives the right output and never withholds more than the longest pattern."""
    masker, out = Masker(patterns), b""
    for byte in text:
        out += masker.feed(bytes([byte]))
        assert masker.held < max(map(len, patterns))
        assert len(masker._buffer) < max(map(len, patterns))
    assert out + masker.finish() == expected(patterns, text)


@given(
    patterns=st.lists(st.text("ab", min_size=SHORTEST, max_size=9).map(str.encode), min_size=1, max_size=4),
    pieces=st.lists(st.tuples(st.text("ab", max_size=30).map(str.encode), st.booleans()), max_size=8),
)
def test_what_was_released_is_not_shown_again_and_the_rest_is_masked(
    patterns: list[bytes], pieces: list[tuple[bytes, bool]]
) -> None:
    """After a pause everything is released; bytes outside of secrets appear in the output exactly once."""
    masker, out = Masker(patterns), b""
    for piece, is_pause_after in pieces:
        out += masker.feed(piece)
        if is_pause_after:
            out += masker.release()
            assert masker.held == 0
    out += masker.finish()
    text = b"".join(piece for piece, _ in pieces)
    covered = {
        position
        for pattern in patterns
        for start in range(len(text))
        if text.startswith(pattern, start)
        for position in range(start, start + len(pattern))
    }
    free = bytes(byte for position, byte in enumerate(text) if position not in covered)
    assert len(free) <= len(out.replace(MASK, b"")) <= len(text)
    if not any(is_pause for _, is_pause in pieces):
        assert out == expected(patterns, text)


def ways(value: bytes) -> list[bytes]:
    """The encoded forms of the value that programs write, made by libraries other than the tested code."""
    text = value.decode("utf-8")
    percent = [quote_from_bytes(value, ""), quote_from_bytes(value), quote_plus(text)]
    in_json = [json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]]
    texts = [
        *percent,
        *map(quote, percent),
        *in_json,
        json.dumps(in_json[0])[1:-1],
        in_json[0].replace("/", "\\/"),
        repr(text)[1:-1],
        ascii(text)[1:-1],
        repr(value)[2:-1],
        shlex.quote(text).strip("'"),
        html.escape(text),
        html.escape(text, quote=False),
        escape(text),
        quoteattr(text)[1:-1],
        html.escape(text).encode("ascii", "xmlcharrefreplace").decode(),
        "".join(f"&#{ord(entry)};" for entry in text),
        "".join(f"&#x{ord(entry):x};" for entry in text),
        re.sub("(....)", r"\\u\1", text.encode("utf-16-be").hex()),
        value.hex(),
        value.hex().upper(),
        value.hex(":"),
        value.hex(" "),
        value.hex(" ", 2),
        value.hex(" ", -2),
        value.hex("-").upper(),
        re.sub("(..)", r"\\x\1", value.hex()),
        re.sub("(..)", r"0x\1, ", value.hex())[:-2],
    ]
    return [
        value,
        *[way.encode() for way in texts],
        text.encode("utf-16-le"),
        text.encode("utf-16-be"),
        binascii.b2a_base64(value, newline=False),
        base64.urlsafe_b64encode(value),
        base64.b64encode(value).rstrip(b"="),
    ]


def through(masker: TerminalMasker, stream: bytes, cuts: list[int]) -> bytes:
    """The output for a stream cut into pieces."""
    out, position = b"", 0
    while position < len(stream):
        length = cuts[position % len(cuts)]
        out += masker.feed(stream[position : position + length])
        position += length
    return out + masker.finish()


VALUE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=6, max_size=40)
CUTS = st.lists(st.integers(1, 7), min_size=1, max_size=5)


@settings(deadline=None, max_examples=examples(50))
@given(value=VALUE, before=st.binary(max_size=7), after=st.binary(max_size=7), cuts=CUTS)
@example(value='it\'s "so" <&> \\ $1/x\x07\x7f', before=b"", after=b"", cuts=[3])
def test_no_form_survives(value: str, before: bytes, after: bytes, cuts: list[int]) -> None:
    """No encoding of a value appears in the output: base64 alone or within other data, in pieces of any size."""
    raw = value.encode()
    whole = [base64.b64encode(before + raw + after), base64.urlsafe_b64encode(before + raw + after)]
    out = through(TerminalMasker(forms_of(raw)), b" | ".join([*ways(raw), *whole]), cuts)
    for way in ways(raw):
        if way not in b" | ***":
            assert way not in out
    assert not [form for form in forms_of(raw) if form in out and form.strip(b" |*")]


CODES = st.sampled_from(
    [
        b"\x1b[0m",
        b"\x1b[1;31m",
        b"\x1b[38;5;196m",
        b"\x1b[K",
        b"\x1b[10;20H",
        b"\x1b(B",
        b"\x1b=",
        b"\x1b]8;;https://example.org/\x1b\\",
        b"\x1b]0;title\x07",
    ]
)


@settings(deadline=None)
@given(
    value=st.text("abcdefghijklm0123456789", min_size=6, max_size=20),
    codes=st.lists(st.lists(CODES, max_size=2), min_size=1, max_size=6),
    cuts=CUTS,
)
def test_codes_between_its_letters_hide_no_secret(value: str, codes: list[list[bytes]], cuts: list[int]) -> None:
    """Terminal codes between a secret's letters do not hide the secret, and every code is passed on in order."""
    between = [b"".join(codes[index % len(codes)]) for index in range(len(value))]
    letters = [code + letter.encode() for code, letter in zip(between, value, strict=True)]
    stream = b"".join([b"x ", *letters, b"\x1b[0m y"])
    out = through(TerminalMasker(forms_of(value.encode())), stream, cuts)
    assert _without_codes(out) == b"x *** y"
    assert _ANY_CODE.findall(out) == _ANY_CODE.findall(stream)


_ANY_CODE = re.compile(rb"\x1b(?:\[[0-9;]*[A-Za-z]|\(B|=|\][^\x07\x1b]*(?:\x07|\x1b\\))")


def _without_codes(out: bytes) -> bytes:
    return _ANY_CODE.sub(b"", out)


@settings(deadline=None)
@given(pieces=st.lists(st.one_of(st.binary(max_size=30), CODES, st.just(b"\x1b")), max_size=12))
def test_what_has_no_secret_in_it_passes_byte_for_byte(pieces: list[bytes]) -> None:
    """A stream without a secret passes unchanged, with any codes; after a pause nothing is withheld."""
    masker, out = TerminalMasker(forms_of(b"quite-another-thing")), b""
    for piece in pieces:
        out += masker.feed(piece)
        out += masker.release()
        assert masker.held == 0
    assert out + masker.finish() == b"".join(pieces)
    masker = TerminalMasker(forms_of(b"quite-another-thing"))
    assert b"".join([*map(masker.feed, pieces), masker.finish()]) == b"".join(pieces)


HORSE = forms_of(b"correct-horse")
BEGINS_NONE = "".join({*"ABCDEFGHIJKLMNOPQRSTUVWXYZ .:>$#?\n"} - {chr(form[0]) for form in HORSE})


@given(text=st.text(BEGINS_NONE, max_size=60), code=CODES.filter(lambda code: not code.endswith(b"\\")))
def test_a_line_without_the_beginning_of_a_secret_is_out_at_once(text: str, code: bytes) -> None:
    """A line without a secret's first letter is released at once, with or without colour."""
    line = code + text.encode() + code
    assert TerminalMasker(HORSE).feed(line) == line


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
LEAF = st.one_of(TEXTS, st.integers(), st.booleans(), st.none())


@settings(deadline=None)
@given(fields=st.dictionaries(st.text(max_size=5), st.one_of(LEAF, st.lists(LEAF, max_size=3)), max_size=4))
def test_a_field_of_a_json_secret_is_masked_by_itself(fields: dict[str, object]) -> None:
    """Each field of a JSON secret (string or number of at least four bytes) is masked at any depth."""
    forms = forms_of(json.dumps({"deep": [fields, json.dumps(fields)]}).encode())
    leaves = [leaf for value in fields.values() for leaf in (value if isinstance(value, list) else [value])]
    for leaf in leaves:
        text = leaf if isinstance(leaf, str) else json.dumps(leaf)
        is_looked_for = not isinstance(leaf, bool) and leaf is not None and len(text.encode()) >= SHORTEST
        if is_looked_for:
            assert text.encode() in forms
    assert b"true" not in forms or "true" in str(leaves)
    assert all(len(form) >= SHORTEST for form in forms)
