"""No core dump of a process of ours, which may hold secrets; the user's command has the limit that the user set."""

from __future__ import annotations

import sys

_users: tuple[int, int] | None = None


def leave_no_core_dump() -> None:
    """Lower the soft limit of this process's core dumps to nothing, and remember what it was."""
    global _users  # noqa: PLW0603 - a process has one limit
    if sys.platform != "win32":
        import resource

        before = resource.getrlimit(resource.RLIMIT_CORE)
        _users = _users or before
        resource.setrlimit(resource.RLIMIT_CORE, (0, before[1]))


class UsersLimit:
    """The limit as the user set it, within the block: a process that is started there inherits it."""

    __slots__ = ()

    def __enter__(self) -> None:
        _set(_users)

    def __exit__(self, *_: object) -> None:
        _set(_users and (0, _users[1]))


def _set(limits: tuple[int, int] | None) -> None:
    if limits is not None and sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, limits)
