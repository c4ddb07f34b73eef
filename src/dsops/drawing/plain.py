"""Makes untrusted texts safe to show: some characters would control a terminal or an SVG viewer."""

from __future__ import annotations

import unicodedata


def plain(text: str) -> str:
    """Return the text on one line, with control characters, direction marks and lone surrogates replaced by codes."""
    return "".join(each if each.isprintable() else " " if each in "\n\t" else f"\\x{ord(each):02x}" for each in text)


def width(text: str) -> int:
    """Return the width of a text in terminal columns (Unicode, UAX 11).

    East Asian wide characters take two columns, combining marks none.
    """
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )
