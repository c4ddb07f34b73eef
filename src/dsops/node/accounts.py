"""The numeric ids of users and groups, by number or name."""

from __future__ import annotations

_MOST = (1 << 32) - 2
"""The largest id. The next number, (uid_t) -1, means "no change" in system calls."""


def user_id(text: str) -> int | None:
    """Return the uid of a number or user name; None if there is no such user."""
    if text.isdecimal():
        return int(text) if int(text) <= _MOST else None
    try:
        from pwd import getpwnam

        return getpwnam(text).pw_uid
    except (ImportError, KeyError):
        return None


def group_id(text: str) -> int | None:
    """Return the gid of a number or group name; None if there is no such group."""
    if text.isdecimal():
        return int(text) if int(text) <= _MOST else None
    try:
        from grp import getgrnam

        return getgrnam(text).gr_gid
    except (ImportError, KeyError):
        return None
