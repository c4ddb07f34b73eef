"""The limits of a guarded run that are not policies: requests, regions, and time."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime

from dsops.text import counted


class RunLimits:
    """Counts the requests of one run, and says when one is over a limit."""

    def __init__(
        self, budget: int | None, regions: Collection[str], until: datetime | None, now: Callable[[], datetime]
    ) -> None:
        """Set the limits.

        - `budget`: the most requests that are sent to AWS; None for no limit
        - `regions`: the regions to which requests may go; () for all
        - `until`: the end of the time in which requests are sent; None for no end
        """
        self._budget = budget
        self._regions = regions
        self._until = until
        self._now = now
        self._sent = 0

    def refusal(self, region: str) -> str:
        """Count a request to a region; return why it is over a limit, or "" if it may be sent."""
        if self._until is not None and self._now() >= self._until:
            return f"the time of this run ended at {self._until:%H:%M:%S} UTC (--until)"
        if self._regions and region not in self._regions:
            return f"requests may go to {', '.join(sorted(self._regions))} only, not to {region} (--regions)"
        if self._budget is not None and self._sent >= self._budget:
            return f"this run may send {counted(self._budget, 'request')}, and has sent as many (--budget)"
        self._sent += 1
        return ""
