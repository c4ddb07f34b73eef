"""Masking: the same output for every way of cutting the input, and nothing left of a secret in any of its forms."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote_from_bytes, quote_plus

from hypothesis import example, given
from hypothesis import strategies as st

from dsops.process.forms import SHORTEST, forms_of
from dsops.process.mask import MASK, Masker

FEW = st.sampled_from(b"ab*").map(lambda byte: bytes([byte]))
"""Few letters, so that patterns overlap each other and themselves."""

PATTERN = st.lists(FEW, min_size=SHORTEST, max_size=9).map(b"".join)
TEXT = st.lists(FEW, max_size=60).map(b"".join)


def masked(patterns: list[bytes], pieces: list[bytes]) -> bytes:
    """All that comes out."""
    masker = Masker(patterns)
    return b"".join([*[masker.feed(piece) for piece in pieces], masker.finish()])


def expected(patterns: list[bytes], text: bytes) -> bytes:
    """The definition: every occurrence is covered, those that overlap are covered together."""
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
    """The output is that of the whole, which is the definition."""
    assert masked(patterns, pieces) == expected(patterns, b"".join(pieces))


@given(patterns=st.lists(PATTERN, min_size=1, max_size=5), text=TEXT)
def test_byte_by_byte_too(patterns: list[bytes], text: bytes) -> None:
    """The finest cut, and never more is held than the longest pattern has."""
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
    """After a pause everything is out; with it, every byte outside of all occurrences, and none twice."""
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
    """How programs write a value: by libraries that did not write our forms."""
    text = value.decode("utf-8")
    return [
        value, quote_from_bytes(value, "").encode(), quote_from_bytes(value).encode(), quote_plus(text).encode(),
        json.dumps(text)[1:-1].encode(), json.dumps(text, ensure_ascii=False)[1:-1].encode(),
        base64.b64encode(value), base64.urlsafe_b64encode(value), base64.b64encode(value).rstrip(b"="),
    ]  # fmt: skip


@given(
    value=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=6, max_size=40),
    before=st.binary(max_size=7),
    after=st.binary(max_size=7),
    cuts=st.lists(st.integers(1, 7), min_size=1, max_size=5),
)
def test_no_form_survives(value: str, before: bytes, after: bytes, cuts: list[int]) -> None:
    """As itself, percent-encoded, in JSON, as base64 by itself and in the middle of something, in any pieces."""
    raw = value.encode()
    whole = [base64.b64encode(before + raw + after), base64.urlsafe_b64encode(before + raw + after)]
    stream = b" | ".join([*ways(raw), *whole])
    masker, out, position = Masker(forms_of(raw)), b"", 0
    while position < len(stream):
        length = cuts[position % len(cuts)]
        out += masker.feed(stream[position:position + length])
        position += length
    out += masker.finish()
    for way in ways(raw):
        if way not in b" | ***":
            assert way not in out
    assert not [form for form in forms_of(raw) if form in out and form.strip(b" |*")]
