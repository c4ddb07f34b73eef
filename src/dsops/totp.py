"""One-time codes of virtual MFA devices (RFC 6238: HMAC-SHA1, 30 seconds, 6 digits) and their seeds.

This module performs no I/O.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from hashlib import sha1

STEP_SECONDS = 30
"""The number of seconds for which a code is valid."""

_SHORTEST = 16
"""The minimum number of letters of a seed: 80 bits. AWS's seeds have 64 letters; RFC 4226 (4, R6) requires 26."""

_OF_AWS = (("digits", "6", "six digits"), ("period", "30", "30 seconds"), ("algorithm", "SHA1", "SHA1"))
_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")


def code_at(seed: str, now: float) -> str:
    """Return the six digits that a device with this seed shows at the time `now`.

    Raises ValueError if the seed is not base32.
    """
    return code_of(key_of(seed), int(now // STEP_SECONDS))


def seconds_left(now: float) -> int:
    """Return the number of seconds for which the current code is still valid: 1 to 30."""
    return STEP_SECONDS - int(now % STEP_SECONDS)


def key_of(seed: str) -> bytes:
    """Decode base32 text, with or without spaces and padding. Raises ValueError if the text is not base32."""
    text = seed.replace(" ", "").upper().rstrip("=")
    try:
        return base64.b32decode(text + "=" * (-len(text) % 8))
    except binascii.Error as error:
        raise ValueError("not base32") from error


def code_of(key: bytes, step: int) -> str:
    """Return the code of a time step (RFC 4226, 5.3)."""
    digest = hmac.digest(key, step.to_bytes(8, "big", signed=True), sha1)
    start = digest[-1] & 0x0F
    number = int.from_bytes(digest[start : start + 4], "big") & 0x7FFFFFFF
    return f"{number % 1_000_000:06d}"


def read_seed(text: str) -> str:
    """Return the seed from base32 text or from the otpauth:// link of a QR code, in capitals without spaces.

    Raises ValueError with the reason. The reason never repeats a part of the text.
    """
    text = text.strip()
    if text[:10].lower() == "otpauth://":
        text = _of_link(text)
    seed = "".join(text.split()).replace("-", "").upper().rstrip("=")
    if not seed:
        raise ValueError("it is empty")
    if seed.isdigit() and len(seed) <= 8:
        raise ValueError("it is a code; the seed is the long text that AWS shows once, behind `Show secret key`")
    strange = sorted(set(seed) - _LETTERS)
    if strange:
        raise ValueError("it is not base32: only the letters A to Z and the digits 2 to 7 can be in a seed")
    if len(seed) < _SHORTEST:
        raise ValueError(f"it has {len(seed)} letters; a seed has at least {_SHORTEST}, one of AWS's 64")
    try:
        key_of(seed)
    except ValueError:
        raise ValueError("it is not base32: some letters of it are missing") from None
    return seed


def _of_link(text: str) -> str:
    """Return the secret of an otpauth link. AWS supports only links with six digits, 30 seconds and SHA1."""
    from urllib.parse import parse_qs, urlsplit

    link = urlsplit(text)
    parameters = {name.lower(): values[0] for name, values in parse_qs(link.query).items()}
    if link.netloc.lower() != "totp":
        raise ValueError(
            "the link is for counter-based codes, but AWS's devices use time-based codes (otpauth://totp/...)"
        )
    for name, required, requirement in _OF_AWS:
        if parameters.get(name, required).upper().replace("-", "") != required:
            raise ValueError(f"AWS's devices have {requirement}, but the link has other values")
    if not parameters.get("secret"):
        raise ValueError("the link has no `secret`")
    return parameters["secret"]
