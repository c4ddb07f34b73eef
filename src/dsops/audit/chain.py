"""The hash chain of the trail: each line has the hash of the line before, and the head has the last line's hash.

The head is a small file beside the trail. A user who may write the files can rewrite them all, including hashes and
head, but can't change a hash that was noted elsewhere.
"""

from __future__ import annotations

import json

from dsops.config.files import digest
from dsops.startup import NamedTuple

START = "0" * 64
"""The hash that the first line contains, since it has no previous line."""

_MARK = "dsops-audit"
_VERSION = "1"
HEAD_BYTES = 160


LINK_BYTES = 120
"""The approximate number of bytes that the chain adds to a line."""


class Head(NamedTuple):
    """The end of the trail, as the head file records it."""

    number: int = 0
    """The number of the last line; 0 before the first."""
    hash: str = START
    """The hash of the trail's last line."""
    size: int = 0
    """The size of the last line's file, up to and including the line's newline."""
    began: int = 0
    """When the first line of the current file was written, in seconds since 1970."""


class Link(NamedTuple):
    """A line's place in the chain."""

    number: int
    previous: str


def pack_head(head: Head) -> bytes:
    """Encode the head for its file, always with the same length: rewriting it then needs no more disk space."""
    text = f"{_MARK} {_VERSION} {head.number} {head.hash} {head.size} {head.began}"
    return text.ljust(HEAD_BYTES - 1).encode("ascii") + b"\n"


def parse_head(data: bytes) -> Head | None:
    """Parse a head; None for malformed bytes, or a head of another version."""
    fields = data.decode("ascii", "replace").split()
    if len(data) != HEAD_BYTES or fields[:2] != [_MARK, _VERSION] or len(fields) != len(("", "", *Head._fields)):
        return None
    _, _, number, hash_, size, began = fields
    if not all(text.isascii() and text.isdigit() for text in (number, size, began)) or not is_hash(hash_):
        return None
    return Head(int(number), hash_, int(size), int(began))


def is_hash(text: str) -> bool:
    """Whether the text is a SHA-256 hash in hexadecimal."""
    return len(text) == len(START) and not text.strip("0123456789abcdef")


def link(body: bytes, number: int, previous: str) -> bytes:
    """Add the chain's fields to a JSON object; returns the line without its newline."""
    return b'%s,"chain":{"number":%d,"previous":"%s"}}' % (body[:-1], number, previous.encode("ascii"))


def hash_of(line: bytes) -> str:
    """Return the hash of a line without its newline."""
    return digest(line)


def record_in(line: bytes) -> dict[str, object] | None:
    """Return the JSON object of a line; None if the line is not a JSON object."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def link_of(record: dict[str, object] | None) -> Link | None:
    """Return a record's place in the chain; None if it has none."""
    chain = record.get("chain") if record is not None else None
    if not isinstance(chain, dict):
        return None
    number, previous = chain.get("number"), chain.get("previous")
    if not isinstance(number, int) or isinstance(number, bool) or not isinstance(previous, str):
        return None
    return Link(number, previous) if number > 0 and is_hash(previous) else None
