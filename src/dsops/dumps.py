"""Turns off core dumps of dsops' own processes, which may hold secrets, and closes their memory to other processes.

The user's command runs with the user's own limit.
"""

from __future__ import annotations

import sys

_users_soft: int | None = None
_PR_SET_DUMPABLE = 4


def leave_no_core_dump() -> None:
    """Set the soft limit of core dumps to 0, and remember the user's soft limit."""
    global _users_soft  # noqa: PLW0603 - a process has one limit
    if sys.platform != "win32":
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
        _users_soft = soft if _users_soft is None else _users_soft
        resource.setrlimit(resource.RLIMIT_CORE, (0, hard))


def close_memory() -> None:
    """Keep the user's other processes, but not root, from reading this process' memory and environment.

    Works on Linux only: `PR_SET_DUMPABLE` 0 refuses ptrace and `/proc/PID/mem` (prctl(2), ptrace(2)).
    """
    if sys.platform == "linux":
        import ctypes

        if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl")


class UsersLimit:
    """A context in which the user's limit applies; a process started within it inherits the limit."""

    __slots__ = ()

    def __enter__(self) -> None:
        _set(_users_soft)

    def __exit__(self, *_: object) -> None:
        _set(None if _users_soft is None else 0)


def _set(soft: int | None) -> None:
    """Set the soft limit of core dumps, but never above the hard limit.

    For example, the agent sets its own hard limit to 0.
    """
    if soft is not None and sys.platform != "win32":
        import resource

        hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
        is_too_much = hard != resource.RLIM_INFINITY and not 0 <= soft <= hard
        resource.setrlimit(resource.RLIMIT_CORE, (hard if is_too_much else soft, hard))
