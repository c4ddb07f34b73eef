"""A process that holds a seed or a key leaves no core dump, which would have it on disk."""

from __future__ import annotations

import sys


def leave_no_core_dump() -> None:
    """For this process and those that it starts; never in one that becomes the user's command."""
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
