"""One-time codes of virtual MFA devices (RFC 6238: HMAC-SHA1, 30 seconds, 6 digits)."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Iterator
from hashlib import sha1

STEP_SECONDS = 30


def code_at(seed: str, now: float) -> str:
    """The six digits that a device with this base32 seed shows at that moment."""
    return _code(_key(seed), int(now // STEP_SECONDS))


def step_of(seed: str, code: str, now: float) -> int | None:
    """The time step whose code this is: the current one, the one before or the one after; None when none of them.

    One step of tolerance either way is what RFC 6238 (5.2) recommends for clocks that drift.
    """
    key = _key(seed)
    return next((step for step in _near(now) if hmac.compare_digest(_code(key, step), code)), None)


def are_consecutive(seed: str, first: str, second: str, now: float) -> bool:
    """Whether the two codes follow each other, about now: what enabling a device asks for."""
    key = _key(seed)
    steps = (int(now // STEP_SECONDS) + shift for shift in range(-2, 2))
    return any(
        hmac.compare_digest(_code(key, step), first) and hmac.compare_digest(_code(key, step + 1), second)
        for step in steps
    )


def is_seed(text: str) -> bool:
    """Whether the text is base32 of at least one byte, padded or not."""
    try:
        return len(_key(text)) > 0
    except ValueError:
        return False


def _near(now: float) -> Iterator[int]:
    step = int(now // STEP_SECONDS)
    yield from (step, step - 1, step + 1)


def _key(seed: str) -> bytes:
    text = seed.replace(" ", "").upper().rstrip("=")
    try:
        return base64.b32decode(text + "=" * (-len(text) % 8))
    except binascii.Error as error:
        raise ValueError("not base32") from error


def _code(key: bytes, step: int) -> str:
    digest = hmac.digest(key, step.to_bytes(8, "big", signed=True), sha1)
    start = digest[-1] & 0x0F
    number = int.from_bytes(digest[start : start + 4], "big") & 0x7FFFFFFF
    return f"{number % 1_000_000:06d}"
