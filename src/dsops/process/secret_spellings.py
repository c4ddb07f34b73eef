"""The patterns that `exec --mask` searches for: every encoded form of a secret and of its parts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator

from dsops.process import encodings

SHORTEST = 4
"""The minimum length of a pattern in bytes. Shorter patterns would match any output by chance."""

_DEEPEST = 3
"""The maximum depth of JSON inside JSON strings that is searched for fields.

It is limited because all patterns are made before the command starts.
"""


def forms_of(value: bytes) -> frozenset[bytes]:
    """Return all encoded forms of a value, of its lines and of its JSON fields.

    Forms that are too short are left out.
    """
    spellings: set[bytes] = set()
    for part in _parts(value):
        if len(part) >= SHORTEST:
            spellings.update(_forms(part))
    return frozenset(form for form in spellings if len(form) >= SHORTEST)


def _parts(value: bytes) -> set[bytes]:
    parts = {value, *_fields(value, _DEEPEST)}
    return {line for part in parts for line in (part, part.strip(), *_lines(part))}


def _lines(part: bytes) -> Iterable[bytes]:
    return [line.strip(b"\r") for line in re.split(b"[\r\n]+", part)]


def _fields(value: bytes, depth: int) -> Iterator[bytes]:
    """Yield the strings and numbers in a JSON object or array; numbers are yielded as written."""
    if not depth or value.lstrip()[:1] not in (b"{", b"["):
        return
    try:
        pending = [json.loads(value, parse_int=str, parse_float=str)]
    except (ValueError, RecursionError):
        return
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            pending += node.values()
        elif isinstance(node, list):
            pending += node
        elif isinstance(node, str):
            field = node.encode("utf-8", "surrogatepass")
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
