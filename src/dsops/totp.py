"""One-time codes of virtual MFA devices (RFC 6238: HMAC-SHA1, 30 seconds, 6 digits), and their seeds; pure."""

from __future__ import annotations

import base64
import binascii
import hmac
from hashlib import sha1

STEP_SECONDS = 30
"""How long a code is valid."""

_SHORTEST = 16
"""The shortest seed: 16 letters, 80 bits. AWS's seeds have 64 letters, and RFC 4226 (4, R6) asks for 26."""

_OF_AWS = (("digits", "6", "six digits"), ("period", "30", "30 seconds"), ("algorithm", "SHA1", "SHA1"))
_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")


def code_at(seed: str, now: float) -> str:
    """The six-digit code for this base32 seed at the time `now`. Raises ValueError for a seed that is not base32."""
    return code_of(key_of(seed), int(now // STEP_SECONDS))


def seconds_left(now: float) -> int:
    """Seconds until the current code changes: 1 to 30."""
    return STEP_SECONDS - int(now % STEP_SECONDS)


def key_of(seed: str) -> bytes:
    """Decode a base32 seed, with or without spaces and padding. Raises ValueError when it is not base32."""
    text = seed.replace(" ", "").upper().rstrip("=")
    try:
        return base64.b32decode(text + "=" * (-len(text) % 8))
    except binascii.Error as error:
        raise ValueError("not base32") from error


def code_of(key: bytes, step: int) -> str:
    """The code of a time step (RFC 4226, 5.3)."""
    digest = hmac.digest(key, step.to_bytes(8, "big", signed=True), sha1)
    start = digest[-1] & 0x0F
    number = int.from_bytes(digest[start : start + 4], "big") & 0x7FFFFFFF
    return f"{number % 1_000_000:06d}"


def read_seed(text: str) -> str:
    """Parse what AWS shows, the base32 text or the QR code's otpauth:// link; returns the seed in capitals.

    Raises ValueError with the reason, which never repeats any of it.
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
    """The secret in an otpauth link, if its codes are of AWS's kind: six digits, 30 seconds, SHA1."""
    from urllib.parse import parse_qs, urlsplit

    link = urlsplit(text)
    link_values = {name.lower(): values[0] for name, values in parse_qs(link.query).items()}
    if link.netloc.lower() != "totp":
        raise ValueError("the link is for codes that count; AWS's devices go by the time (otpauth://totp/...)")
    for name, expected, description in _OF_AWS:
        if link_values.get(name, expected).upper().replace("-", "") != expected:
            raise ValueError(f"AWS's devices have {description}, and the link says something else")
    if not link_values.get("secret"):
        raise ValueError("the link has no `secret`")
    return link_values["secret"]
