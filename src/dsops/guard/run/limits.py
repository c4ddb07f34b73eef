"""The limits of a guarded run that are not policies: requests, regions, and time."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

from dsops.text import counted


@dataclass(slots=True)
class RunLimits:
    """Counts the requests of one run, and says when one is over a limit."""

    budget: int | None
    """The most requests that are sent to AWS; None for no limit."""
    regions: Collection[str]
    """The regions to which requests may go; () for all."""
    until: datetime | None
    """The end of the time in which requests are sent; None for no end."""
    now: Callable[[], datetime]
    sent: int = 0

    def refusal(self, region: str) -> str:
        """Count a request to a region; return why it is over a limit, or "" if it may be sent."""
        if self.until is not None and self.now() >= self.until:
            return f"the time of this run ended at {self.until:%H:%M:%S} UTC (--until)"
        if self.regions and region not in self.regions:
            return f"requests may go to {', '.join(sorted(self.regions))} only, not to {region} (--regions)"
        if self.budget is not None and self.sent >= self.budget:
            return f"this run may send {counted(self.budget, 'request')}, and has sent as many (--budget)"
        self.sent += 1
        return ""
