"""Compare strings case-insensitively, as AWS does.

Names (actions, condition keys, tag keys, operators, regions) are ASCII on AWS's side, so only A to Z are converted.
With Python's `str.lower` the KELVIN SIGN (U+212A) would become `k`, and a `Deny` that contains it would seem to work.
"""

from __future__ import annotations

from typing import Final

_LOWER: Final = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


def lower_case(text: str) -> str:
    """Return the string with A to Z in lower case; every other character is unchanged."""
    return text.lower() if text.isascii() else text.translate(_LOWER)


def fold(text: str) -> str:
    """Return the string as `StringEqualsIgnoreCase` compares it: one character for each, so `ß` is not `ss`.

    AWS's guide says only "ignoring case". Letters outside of ASCII are folded too (`É` equals `é`), but never to an
    ASCII letter: U+017F is not `s`, U+212A is not `k`, U+0130 and U+0131 are not `i`.
    """
    if text.isascii():
        return text.lower()
    return "".join(map(_fold_character, text))


def _fold_character(character: str) -> str:
    if character.isascii():
        return character.lower()
    upper = character.upper()
    lower = (upper if len(upper) == 1 else character).lower()
    return lower if len(lower) == 1 and not lower.isascii() else character
