"""The error of this package: the last line that a person sees of a build that cannot go on."""

from __future__ import annotations

import sys
from collections.abc import Callable


class ReleaseError(Exception):
    """A release can't be built or checked; the message says why and what to do."""


def exit_code_of(work: Callable[[], None]) -> int:
    """Do the work; return 0, or print a ReleaseError in one line and return 1."""
    try:
        work()
    except ReleaseError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0
