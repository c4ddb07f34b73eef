"""Format numbers, times and untrusted text on one line, for errors, checks and responses."""

from __future__ import annotations


def clean(text: str) -> str:
    """Return the text on one line with control characters escaped, because it may come from a server."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else " " if character in "\n\t" else f"\\x{ord(character):02x}"
        for character in text
    )


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: `1 secret`, `2 secrets`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def duration_text(seconds: int) -> str:
    """Return a duration as text: `59 min`, `2 h 5 min`, `40 s`."""
    if seconds < 60:
        return f"{seconds} s"
    hours, minutes = divmod(seconds // 60, 60)
    return " ".join(part for part in (f"{hours} h" if hours else "", f"{minutes} min" if minutes else "") if part)
