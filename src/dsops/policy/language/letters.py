"""Compare strings case-insensitively, as AWS does.

AWS's names (actions, condition keys, tag keys, operators, regions) are ASCII, so only A to Z are converted. Python's
`str.lower` would convert the KELVIN SIGN (U+212A) to `k`. A `Deny` with that character would then seem to work.
"""

from __future__ import annotations

from typing import Final

_LOWER: Final = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


def lower_case(text: str) -> str:
    """Return the string with A to Z in lower case; every other character is unchanged."""
    return text.lower() if text.isascii() else text.translate(_LOWER)


def fold(text: str) -> str:
    """Convert the string to the form that `StringEqualsIgnoreCase` compares.

    Each character is converted to one character, so `ß` does not become `ss`. AWS's guide says only "ignoring case".
    Letters outside of ASCII are converted too (`É` equals `é`), but never to an ASCII letter: U+017F is not `s`,
    U+212A is not `k`, U+0130 and U+0131 are not `i`.
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
