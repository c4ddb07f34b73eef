"""Texts as they may be shown: a configuration or a log holds any character, and a terminal or a viewer obeys some."""

from __future__ import annotations

import unicodedata


def plain(text: str) -> str:
    """One line without control characters, changes of direction and halves of characters: their codes instead."""
    return "".join(each if each.isprintable() else " " if each in "\n\t" else f"\\x{ord(each):02x}" for each in text)


def width(text: str) -> int:
    """How many columns it takes: characters of East Asia two, marks on others none (Unicode, UAX 11)."""
    return sum(
        0 if unicodedata.combining(each) else 2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in text
    )
