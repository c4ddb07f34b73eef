"""What is looked for in a command's output: a value, its parts, and every way in which programs write either."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator

from dsops.process import encodings

SHORTEST = 4
"""Bytes of a value, a part of one, or a form of either. Shorter ones stand in every output by chance."""

_DEEPEST = 3
"""JSON in a string of JSON, and so on: a value may be anything, and its forms are made before the command starts."""


def forms_of(value: bytes) -> frozenset[bytes]:
    """All forms of a value, its lines and the fields of its JSON that are long enough to be looked for."""
    found: set[bytes] = set()
    for part in _parts(value):
        if len(part) >= SHORTEST:
            found.update(_forms(part))
    return frozenset(form for form in found if len(form) >= SHORTEST)


def _parts(value: bytes) -> set[bytes]:
    parts = {value, *_fields(value, _DEEPEST)}
    return {line for part in parts for line in (part, part.strip(), *_lines(part))}


def _lines(part: bytes) -> Iterable[bytes]:
    return [line.strip(b"\r") for line in re.split(b"[\r\n]+", part)]


def _fields(value: bytes, depth: int) -> Iterator[bytes]:
    """Texts and numbers in an object or array of JSON, numbers as they are written."""
    if not depth or value.lstrip()[:1] not in (b"{", b"["):
        return
    try:
        pending = [json.loads(value, parse_int=str, parse_float=str)]
    except (ValueError, RecursionError):
        return
    while pending:
        each = pending.pop()
        if isinstance(each, dict):
            pending += each.values()
        elif isinstance(each, list):
            pending += each
        elif isinstance(each, str):
            field = each.encode("utf-8", "surrogatepass")
            yield field
            yield from _fields(field, depth - 1)


def _forms(value: bytes) -> Iterator[bytes]:
    yield value
    yield from encodings.percent(value)
    yield from encodings.in_hexadecimal(value)
    yield from encodings.in_base64(value)
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        return
    for ways in (encodings.in_json, encodings.in_languages, encodings.in_shells, encodings.in_html):
        yield from (way.encode("utf-8") for way in ways(text))
    yield text.encode("utf-16-le")
    yield text.encode("utf-16-be")
