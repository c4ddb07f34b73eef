"""Convert the text of query fields, headers, paths and XML to Python values."""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isfinite

from dsops.errors import SandboxRefusal
from dsops.request.wire.errors import refusal

_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_NOT_FINITE = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}
_INT32 = range(-(2**31), 2**31)
_INT64 = range(-(2**63), 2**63)
_LONGEST_NUMBER = 64


def scalar(kind: str, text: str) -> object:
    """Convert the text to the type `kind`. Raises MalformedInput.

    Measured on live STS: the error for an invalid number has no Message; the error for an empty text has one.
    """
    if kind in {"integer", "long"}:
        return _whole(kind, text)
    if kind in {"float", "double"}:
        return fraction(text)
    if kind == "boolean":
        if text.lower() not in {"true", "false"}:
            raise malformed()
        return text.lower() == "true"
    if kind == "blob":
        return bytes_of(text)
    if kind == "timestamp":
        return moment(text)
    return text


def fraction(text: str) -> float:
    """Parse a decimal number, NaN, Infinity or -Infinity."""
    if text in _NOT_FINITE:
        return _NOT_FINITE[text]
    if len(text) > _LONGEST_NUMBER or not _NUMBER.fullmatch(text):
        raise malformed()
    return float(text)


def bytes_of(text: str) -> bytes:
    """Return the bytes that base64 text encodes. Raises MalformedInput."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise malformed() from error


def moment(value: str | float) -> datetime:
    """Parse a timestamp in seconds since 1970, in ISO 8601, or as an HTTP date. Raises MalformedInput."""
    try:
        if isinstance(value, str) and not _NUMBER.fullmatch(value[:_LONGEST_NUMBER]):
            return _written_moment(value)
        number = float(value)
        if not isfinite(number):
            raise malformed()
        return datetime.fromtimestamp(number, UTC)
    except (ValueError, OverflowError, OSError, TypeError) as error:
        raise malformed() from error


def malformed() -> SandboxRefusal:
    """Return a MalformedInput error (400) without a message."""
    return refusal("MalformedInput", None)


def _written_moment(text: str) -> datetime:
    parsed = parsedate_to_datetime(text) if text[:1].isalpha() else datetime.fromisoformat(text)
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def _whole(kind: str, text: str) -> int:
    if not text:
        raise refusal("MalformedInput", "missing value for decimal type")
    if not _INTEGER.fullmatch(text) or len(text) > 20 or int(text) not in (_INT32 if kind == "integer" else _INT64):
        raise malformed()
    return int(text)
