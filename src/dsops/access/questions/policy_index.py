"""Find the users and roles whose policies can be about an action, without a look at each of them.

Most policies of an organization have few actions, and many have the same ones. So each distinct pattern of an action is
compared once, and only with the actions of its service.
"""

from __future__ import annotations

from dsops.access.facts.mentions import matches_action
from dsops.access.facts.world import IamIdentity, OrganizationFacts, PolicyDocument


class PolicyIndex:
    """The identity policies of a world by the actions in them."""

    def __init__(self, world: OrganizationFacts) -> None:
        self._identities = [*world.identities.values()]
        self._owners: dict[int, list[int]] = {}
        """The id of a document -> the positions of its users and roles."""
        self._open: list[int] = []
        """The documents that can be about any action."""
        self._by_service: dict[str, dict[str, list[int]]] = {}
        """Service ("" for a pattern of several services) -> pattern -> documents."""
        self._about: dict[str, list[IamIdentity]] = {}
        for position, identity in enumerate(self._identities):
            for document in identity.policies:
                if id(document) not in self._owners:
                    self._add(document)
                self._owners.setdefault(id(document), []).append(position)

    def _add(self, document: PolicyDocument) -> None:
        if document.actions.is_open:
            self._open.append(id(document))
        for pattern in document.actions.actions:
            service = pattern.partition(":")[0]
            patterns = self._by_service.setdefault("" if "*" in service or "?" in service else service, {})
            patterns.setdefault(pattern, []).append(id(document))

    def identities_about(self, action: str) -> list[IamIdentity]:
        """Return the users and roles with a policy that mentions the action, which is passed in lower case.

        They are in the order of the world.
        """
        known = self._about.get(action)
        if known is None:
            documents = {*self._open}
            for service in ("", action.partition(":")[0]):
                for pattern, owners in self._by_service.get(service, {}).items():
                    if matches_action(pattern, action):
                        documents.update(owners)
            positions = {position for document in documents for position in self._owners[document]}
            known = self._about[action] = [self._identities[position] for position in sorted(positions)]
        return known
