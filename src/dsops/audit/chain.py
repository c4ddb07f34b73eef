"""Lines that hold each other: every one names the hash of the one before, and a small head names the last.

Whoever may write the files can make them all anew, hashes and head included; what is noted elsewhere can't be.
"""

from __future__ import annotations

import json

from dsops.config.files import digest
from dsops.startup import NamedTuple

START = "0" * 64
"""What the first line of all has for the hash of the one before."""

_MARK = "dsops-audit"
_VERSION = "1"
HEAD_BYTES = 160


LINK_BYTES = 120
"""About what its place adds to a line."""


class Head(NamedTuple):
    """The end of the trail."""

    number: int = 0
    """Of the last line; 0 before the first."""
    hash: str = START
    """Of that line."""
    size: int = 0
    """Of the file that it stands in, up to and with its newline."""
    began: int = 0
    """When the first line of that file was written, in seconds since 1970."""


class Link(NamedTuple):
    """A line's place in the chain."""

    number: int
    previous: str


def pack_head(head: Head) -> bytes:
    """The head as it stands in its file: always as long, so that writing it anew takes no more room."""
    text = f"{_MARK} {_VERSION} {head.number} {head.hash} {head.size} {head.began}"
    return text.ljust(HEAD_BYTES - 1).encode("ascii") + b"\n"


def parse_head(data: bytes) -> Head | None:
    """The head; None for bytes that are none, or one of another version."""
    fields = data.decode("ascii", "replace").split()
    if len(data) != HEAD_BYTES or fields[:2] != [_MARK, _VERSION] or len(fields) != len(("", "", *Head._fields)):
        return None
    _, _, number, hash_, size, began = fields
    if not all(text.isascii() and text.isdigit() for text in (number, size, began)) or not is_hash(hash_):
        return None
    return Head(int(number), hash_, int(size), int(began))


def is_hash(text: str) -> bool:
    """Whether it is a SHA-256 in hex."""
    return len(text) == len(START) and all(character in "0123456789abcdef" for character in text)


def link(body: bytes, number: int, previous: str) -> bytes:
    """The line, without its newline, that a JSON object becomes in that place."""
    return b'%s,"chain":{"number":%d,"previous":"%s"}}' % (body[:-1], number, previous.encode("ascii"))


def hash_of(line: bytes) -> str:
    """The hash of a line without its newline."""
    return digest(line)


def record_in(line: bytes) -> dict[str, object] | None:
    """The object that a line is; None for what is none."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def link_of(record: dict[str, object] | None) -> Link | None:
    """A record's place in the chain; None where it has none."""
    chain = record.get("chain") if record is not None else None
    if not isinstance(chain, dict):
        return None
    number, previous = chain.get("number"), chain.get("previous")
    if not isinstance(number, int) or isinstance(number, bool) or not isinstance(previous, str):
        return None
    return Link(number, previous) if number > 0 and is_hash(previous) else None
