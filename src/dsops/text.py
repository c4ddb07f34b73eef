"""Format numbers, times and untrusted text on one line, for errors, checks and responses."""

from __future__ import annotations

PROFILE_KEYS = {
    "serial_number": "mfa_serial",
    "start_url": "sso_start_url",
    "account_id": "sso_account_id",
    "role_name": "sso_role_name",
    "credentials_from": "source_profile",
    "profile": "source_profile",
}
"""Maps a key of a store to the key of an AWS profile with the same meaning, if their names differ."""


def in_profile_words(text: str) -> str:
    """Return a message in which each store key in backticks is replaced by the AWS profile's key."""
    if "`" not in text:
        return text
    import re

    text = re.sub(r"`duration_seconds: ([0-9]+)`", r"`duration_seconds = \1`", text)
    return re.sub(f"`({'|'.join(PROFILE_KEYS)})`", lambda match: f"`{PROFILE_KEYS[match[1]]}`", text)


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
