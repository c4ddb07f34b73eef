"""Find the users and roles whose policies can be about an action, without a look at each of them.

Most policies of an organization have few actions, and many have the same ones. So each distinct pattern of an action is
compared once, and only with the actions of its service.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from dsops.access.facts.mentions import Mentions, matches_action, service_of
from dsops.access.facts.world import IamIdentity, OrganizationFacts
from dsops.arn import is_account_id, parse_arn
from dsops.policy import Policy


class PolicyIndex:
    """The identity policies of a world by the actions in them."""

    def __init__(self, world: OrganizationFacts) -> None:
        self._identities = [*world.identities.values()]
        self._owners: dict[Mentions, list[int]] = {}
        """The actions of a policy -> the positions of the users and roles with such a policy."""
        self._open: list[Mentions] = []
        """The actions of policies that can be about any action."""
        self._by_service: dict[str, dict[str, list[Mentions]]] = {}
        """Service ("" for a pattern of several services) -> pattern -> actions of policies."""
        self._about: dict[str, list[IamIdentity]] = {}
        for position, identity in enumerate(self._identities):
            for document in identity.policies:
                actions = document.actions
                owners = self._owners.get(actions)
                if owners is None:
                    owners = self._owners[actions] = []
                    self._add(actions)
                owners.append(position)

    def _add(self, mentions: Mentions) -> None:
        if mentions.is_open:
            self._open.append(mentions)
        for pattern in mentions.actions:
            self._by_service.setdefault(service_of(pattern), {}).setdefault(pattern, []).append(mentions)

    def identities_about(self, action: str) -> list[IamIdentity]:
        """Return the users and roles with a policy that mentions the action, which is passed in lower case.

        They are in the order of the world.
        """
        known = self._about.get(action)
        if known is None:
            about = {*self._open}
            for service in ("", action.partition(":")[0]):
                for pattern, mentioning in self._by_service.get(service, {}).items():
                    if matches_action(pattern, action):
                        about.update(mentioning)
            positions = {position for mentions in about for position in self._owners[mentions]}
            known = self._about[action] = [self._identities[position] for position in sorted(positions)]
        return known

    def candidates(self, action: str, accounts: Collection[str]) -> Collection[IamIdentity]:
        """Return those of `identities_about`, and all users and roles of the accounts; "" stands for all accounts."""
        about = self.identities_about(action)
        if not accounts:
            return about
        if "" in accounts:
            return self._identities
        known = {identity.arn for identity in about}
        return [each for each in self._identities if each.arn in known or each.account in accounts]


def accounts_named_in(policy: Policy) -> Iterator[str]:
    """Yield the accounts to whose users and roles a policy of a resource allows something; "" for any account."""
    for statement in policy.statements:
        principals = statement.principals
        if statement.effect != "Allow" or principals is None:
            continue
        if principals.is_negated:
            yield ""
        for text in (text for kind, text in principals.written if kind == "AWS"):
            arn = parse_arn(text)
            account = text if arn is None else arn.account
            yield account if is_account_id(account) else ""
