"""The actions that a tightened policy keeps: those that were used, and those whose use the logs can't show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from dsops.access.unused.calls import PrincipalCalls
from dsops.access.unused.catalogue import Catalogue
from dsops.access.unused.unlogged import CAN_BE_EXCLUDED, unlogged
from dsops.policy import lower_case

Reason = Literal[
    "used", "needed by a used action", "data event", "never logged", "no event of its own", "unknown event"
]
"""Why an action is kept.

- `data event`: CloudTrail logs the action only if a trail asks for it, or the trail can leave out the service
- `no event of its own`: a permission that an operation of another name needs
- `unknown event`: the role made a call of the service whose action is unknown
"""


class KeptAction(NamedTuple):
    """An action, and why it is kept."""

    action: str
    """The action in AWS's spelling."""
    reason: Reason
    is_certain: bool = False
    """Whether the logs show every use of the action, so that a statement about other resources does not need it."""


Kept = Mapping[str, KeptAction]
"""Maps actions in lower case to what is kept."""


class BlindSpots:
    """What the logs can't show."""

    def __init__(self, catalogue: Catalogue, services: Iterable[str], *, has_data_events: bool) -> None:
        """`services` are the services of all events in the logs; `has_data_events` says that all of them are logged."""
        self.catalogue = catalogue
        logged = {catalogue.prefix_of(service) for service in services}
        self.excluded = tuple(sorted(CAN_BE_EXCLUDED - logged))
        """The services that the trail may leave out, because the logs have no event of them."""
        self._patterns: dict[str, list[tuple[Reason, tuple[str, ...]]]] = {}
        if not has_data_events:
            self._add("data event", unlogged("data"))
        self._add("data event", dict.fromkeys(self.excluded, ("*",)))
        self._add("never logged", unlogged("never"))
        self._kept: dict[str, KeptAction] = {}
        for prefix, entries in self._patterns.items():
            for reason, patterns in entries:
                _keep(self._kept, catalogue.names_of(prefix, patterns), reason)

    @property
    def services(self) -> frozenset[str]:
        """The prefixes of all services with actions that the logs can't show."""
        return frozenset(self._patterns)

    def kept_for(self, calls: PrincipalCalls) -> Kept:
        """Return the actions to keep for a principal with these calls, whether or not its policies allow them."""
        kept = dict(self._kept)
        for lower in calls.actions:
            use = self.catalogue.use_of(lower)
            dependents = map(self.catalogue.spelled, use.dependents if use is not None else ())
            _keep(kept, filter(None, dependents), "needed by a used action")
        for event in calls.unknown:
            if event.prefix:
                _keep(kept, self.catalogue.names_of(event.prefix), "unknown event")
        for prefix in dict.fromkeys(lower.partition(":")[0] for lower in calls.actions):
            _keep(kept, self.catalogue.eventless(prefix), "no event of its own")
        used = {
            lower: KeptAction(used.action, "used", is_certain=lower not in kept)
            for lower, used in calls.actions.items()
        }
        return {**kept, **used}

    def _add(self, reason: Reason, table: Mapping[str, tuple[str, ...]]) -> None:
        for prefix, patterns in table.items():
            self._patterns.setdefault(prefix, []).append((reason, patterns))


def _keep(kept: dict[str, KeptAction], actions: Iterable[str], reason: Reason) -> None:
    for action in actions:
        kept.setdefault(lower_case(action), KeptAction(action, reason))
