"""The control policies of accounts, with only their statements about one action and resource."""

from __future__ import annotations

from typing import Final

from dsops.access.facts.world import Levels
from dsops.access.questions.topic import Topic
from dsops.policy import Policy

PolicyLevels = tuple[tuple[Policy, ...], ...]
_MOST_KEPT: Final = 20_000


class ControlPolicies:
    """Selects statements. Most control policies are about any resource: then one selection serves all resources."""

    def __init__(self) -> None:
        self._of_action: dict[tuple[str, int], PolicyLevels | None] = {}
        """Action and the id of levels -> the selection; None if it depends on the resource."""

    def about(self, levels: Levels, topic: Topic) -> PolicyLevels:
        """Return the policies that have statements about the topic. The world has to keep the levels."""
        key = topic.lower_action, id(levels)
        known = self._of_action.get(key)
        if known is not None:
            return known
        found = tuple(
            tuple(policy for document in level if (policy := topic.relevant(document)).statements) for level in levels
        )
        if key not in self._of_action:
            if len(self._of_action) >= _MOST_KEPT:
                self._of_action.clear()
            of_any = all(
                document.about(topic.lower_action).is_of_any_resource for level in levels for document in level
            )
            self._of_action[key] = found if of_any else None
        return found
