"""dsops on a machine whose clock is wrong by as many seconds as the first argument says; the rest is a command line."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta

import dsops.runtime

WRONG_BY = timedelta(seconds=float(sys.argv.pop(1)))


def utc_now() -> datetime:
    """What that machine's clock shows."""
    return datetime.now(UTC) + WRONG_BY


# In this process alone, and before anything has taken the function: what a system call would tell that machine.
dsops.runtime.utc_now = utc_now

if __name__ == "__main__":
    from dsops.cli import main

    sys.exit(main())
