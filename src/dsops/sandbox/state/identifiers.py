"""Generate key ids and unique ids in AWS's format: a prefix for the type, then an encoding of the account.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html. The first six bytes after the prefix
encode the account. Public research found this encoding, on which AWS's own clients now rely.
"""

from __future__ import annotations

import base64
import binascii
import os

_ACCOUNT_MASK = 0x7FFF_FFFF_FF80
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
# `base64.b32encode` takes three times as long for ten bytes.
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
_SHIFTS = range(70, -1, -10)


def access_key_id(prefix: str, account: str) -> str:
    """Return a new 20-character key id. The prefix is `AKIA` for long-term keys, `ASIA` for sessions."""
    random_bits = int.from_bytes(os.urandom(5), "big") & 0x7F_FFFF_FFFF
    number = (1 << 79) | (int(account) << 39) | random_bits
    return prefix + "".join([_PAIRS[number >> shift & 0x3FF] for shift in _SHIFTS])


def unique_id(prefix: str, account: str) -> str:
    """Return a new 21-character id. The prefix is `AIDA` for users, `AROA` for roles, `AGPA` for groups."""
    return access_key_id(prefix, account) + _ALPHABET[os.urandom(1)[0] & 0x1F]


def account_of_key(key_id: str) -> str | None:
    """Return the account encoded in a key id; None if the id does not have AWS's form."""
    try:
        raw = base64.b32decode(key_id[4:20])
    except (binascii.Error, ValueError):
        return None
    if len(raw) < 6:
        return None
    number = (int.from_bytes(raw[:6], "big") & _ACCOUNT_MASK) >> 7
    return f"{number:012d}" if number < 10**12 else None


def new_request_id() -> str:
    """Return a random UUID (version 4)."""
    digits = os.urandom(16).hex()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
