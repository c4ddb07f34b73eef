"""The ways in which programs write a value: as it is, line by line, percent-encoded, inside JSON, as base64."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote_from_bytes

SHORTEST = 4
"""Bytes of a value, a line of one, or a form of either. Shorter ones stand in every output by chance."""

_LEFT_AS_THEY_ARE = ("", "/", "!'()*", "/!'()*;,?:@&=+$#", "&=+$:@")
"""What is not percent-encoded besides letters, digits and `_.-~`: by quote(safe=""), by quote(), by JavaScript's
encodeURIComponent and encodeURI, by Go's PathEscape."""

_WRAPPED = (76, 64)
"""Letters in a line of base64: MIME's and `base64`'s, PEM's."""


def forms_of(value: bytes) -> frozenset[bytes]:
    """All forms of a value and of its lines that are long enough to be looked for."""
    found: set[bytes] = set()
    for part in {value, value.strip(), *[line.strip(b"\r") for line in re.split(b"[\r\n]+", value)]}:
        if len(part) >= SHORTEST:
            found.update(_forms(part))
    return frozenset(form for form in found if len(form) >= SHORTEST)


def _forms(value: bytes) -> Iterator[bytes]:
    yield value
    yield from _percent(value)
    yield from _json(value)
    yield from _base64(value)


def _percent(value: bytes) -> Iterator[bytes]:
    for safe in _LEFT_AS_THEY_ARE:
        yield from _in_both_cases(quote_from_bytes(value, safe))
    # As in a form (HTML 5): a space is a plus; Java leaves the star as it is, and not the tilde.
    form = quote_from_bytes(value, " ").replace(" ", "+")
    yield from _in_both_cases(form)
    yield from _in_both_cases(quote_from_bytes(value, " *").replace(" ", "+").replace("~", "%7E"))


def _in_both_cases(encoded: str) -> Iterator[bytes]:
    yield encoded.encode("ascii")
    yield re.sub("%..", lambda match: match[0].lower(), encoded).encode("ascii")


def _json(value: bytes) -> Iterator[bytes]:
    """Without quotes; in ASCII or UTF-8, with PHP's backslash before a slash or not, with `<>&` escaped (Go) or not."""
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        return
    for ensures_ascii in (True, False):
        encoded = json.dumps(text, ensure_ascii=ensures_ascii)[1:-1]
        html = re.sub("[<>&'\u2028\u2029]", lambda match: f"\\u{ord(match[0]):04x}", encoded)
        go = re.sub("[<>&\u2028\u2029]", lambda match: f"\\u{ord(match[0]):04x}", encoded)
        for written in (encoded, encoded.replace("/", "\\/"), html, go):
            yield written.encode("utf-8")
            yield re.sub(r"\\u[0-9a-f]{4}", lambda match: f"\\u{match[0][2:].upper()}", written).encode("utf-8")


def _base64(value: bytes) -> Iterator[bytes]:
    """By itself, with its padding or without, in lines; and what is certain of it in the middle of something longer."""
    for whole in _in_both_alphabets(base64.b64encode(value)):
        yield whole
        yield whole.rstrip(b"=")
        for length in _WRAPPED:
            if len(whole) > length:
                yield from (whole[start:start + length] for start in range(0, len(whole), length))
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + value + bytes(2))
        # A letter holds six bits: those that also hold bits of a neighbour differ from place to place.
        first, last = -(-8 * before // 6), 8 * (before + len(value)) // 6
        yield from _in_both_alphabets(encoded[first:last])


def _in_both_alphabets(encoded: bytes) -> Iterable[bytes]:
    return (encoded, encoded.translate(bytes.maketrans(b"+/", b"-_")))
