"""A principal as itself and as each role that it can become, selected for a question."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Final, NamedTuple

from dsops.access.questions.caller import AccessCaller, caller_of
from dsops.access.questions.evaluator import Evaluator
from dsops.access.questions.topic import Topic
from dsops.access.questions.who_can import Way
from dsops.policy import lower_case

MOST_LOOKS: Final = 3_000_000
"""The number of times that one question looks at a role and a resource: about half a minute of CPU time."""
_FEWEST: Final = 1_000


class Actor(NamedTuple):
    """A principal as itself, or as a role."""

    caller: AccessCaller
    way: Way
    """How it becomes the role; no steps if it acts as itself."""


class Actors:
    """The roles of one principal, those with the fewest open conditions first, by the actions in their policies."""

    def __init__(
        self, evaluator: Evaluator, caller: AccessCaller, roles: Sequence[Way], questions: int, looks: int = MOST_LOOKS
    ) -> None:
        """Take the ways to the roles and the number of questions. `looks`: see MOST_LOOKS."""
        self._evaluator = evaluator
        identities = evaluator.world.identities
        self._all = [
            Actor(caller, Way(())),
            *(Actor(caller_of(identities[way.steps[-1].resource]), way) for way in roles),
        ]
        self._unowned = [0] if caller.identity is None else []
        """The position of the principal itself if it is a service, or a token of an identity provider."""
        self._by_account: dict[str, list[int]] = {}
        for position, actor in enumerate(self._all):
            identity = actor.caller.identity
            self._by_account.setdefault(identity.account if identity is not None else "", []).append(position)
        self._by_action: dict[str, dict[str, list[int]]] = {}
        self._limit = max(_FEWEST, looks // max(1, questions))
        self.left_out = 0
        """The largest number of roles that one question did not look at, because the work has a limit."""

    def about(self, topic: Topic) -> Sequence[Actor]:
        """Return those that can perhaps do it, at most as many as the limit allows."""
        found = self._candidates(topic)
        self.left_out = max(self.left_out, len(found) - self._limit)
        return found[: self._limit]

    def _candidates(self, topic: Topic) -> Sequence[Actor]:
        known = self._evaluator.resource_of(topic.resource)
        accounts = self._evaluator.accounts_that_may_use(topic)
        if known is None or "" in accounts:
            return self._all
        # A resource is closed for other accounts, except for those that its policy names.
        mentioning = self._mentioning(topic.action).get(known.account, ()) if known.account not in accounts else ()
        named = [self._by_account[account] for account in sorted(accounts) if account in self._by_account]
        return [self._all[position] for position in sorted(chain(self._unowned, mentioning, *named))]

    def _mentioning(self, action: str) -> dict[str, list[int]]:
        """Return the positions of those whose own policies mention the action, by account."""
        known = self._by_action.get(action)
        if known is None:
            known = self._by_action[action] = {}
            arns = {identity.arn for identity in self._evaluator.index.identities_about(lower_case(action))}
            for position, actor in enumerate(self._all):
                identity = actor.caller.identity
                if identity is not None and identity.arn in arns:
                    known.setdefault(identity.account, []).append(position)
        return known
