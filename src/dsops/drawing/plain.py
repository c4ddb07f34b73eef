"""Make untrusted texts safe to show: some characters control a terminal or an SVG viewer."""

from __future__ import annotations

import unicodedata


def plain(text: str) -> str:
    """The text on one line; control characters, direction changes and lone surrogates become their codes."""
    return "".join(each if each.isprintable() else " " if each in "\n\t" else f"\\x{ord(each):02x}" for each in text)


def width(text: str) -> int:
    """The width in terminal columns: East Asian wide characters take two, combining marks none (Unicode, UAX 11)."""
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )
