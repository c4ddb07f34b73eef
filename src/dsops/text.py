"""Formats numbers, times and text from elsewhere on one line, for errors, checks and answers."""

from __future__ import annotations


def clean(text: str) -> str:
    """The text on one line, with control characters escaped: it may come from a server, and be shown on a terminal."""
    return "".join(
        character if character.isprintable() else " " if character in "\n\t" else f"\\x{ord(character):02x}"
        for character in text
    )


def counted(number: int, noun: str) -> str:
    """A number with its noun: `1 secret`, `2 secrets`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def duration_text(seconds: int) -> str:
    """A duration: `59 min`, `2 h 5 min`, `40 s`."""
    if seconds < 60:
        return f"{seconds} s"
    hours, minutes = divmod(seconds // 60, 60)
    return " ".join(part for part in (f"{hours} h" if hours else "", f"{minutes} min" if minutes else "") if part)
