"""Run dsops on a clock that is wrong by the seconds in the first argument; the other arguments are its command line."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta

import dsops.runtime

WRONG_BY = timedelta(seconds=float(sys.argv.pop(1)))


def utc_now() -> datetime:
    """The current time as the wrong clock shows it."""
    return datetime.now(UTC) + WRONG_BY


# Replaced in this process only, and before any module imports the function: it stands for the machine's clock.
dsops.runtime.utc_now = utc_now

if __name__ == "__main__":
    from dsops.cli import main

    sys.exit(main())
