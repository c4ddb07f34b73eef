"""Find the users and roles whose own policies can allow them to assume a role, by the role's ARN.

Most statements about sts:AssumeRole name the roles. So a role that trusts a whole account, or `*`, has few candidates.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from dsops.access.facts.world import IamIdentity, PolicyDocument
from dsops.access.questions.evaluator import Evaluator

_ACTION: Final = "sts:assumerole"
_ANY: Final = "*"
_NOT_EXACT: Final = frozenset("*?$")


class AssumePermissions:
    """The users and roles with a statement that allows sts:AssumeRole, by account and by the roles that it names."""

    def __init__(self, evaluator: Evaluator) -> None:
        self._roles_in: dict[int, frozenset[str]] = {}
        self._by_role: dict[str, dict[str, list[IamIdentity]]] = {}
        """A role's ARN, or `*` for several roles -> account -> users and roles."""
        self.for_any: list[IamIdentity] = []
        """The users and roles of any account who may have the permission for roles that they don't name."""
        world = evaluator.world
        unread = [identity for identity in world.identities.values() if evaluator.gaps.hides_policies_of(identity)]
        for identity in unread:
            self._add(_ANY, identity)
        known = {identity.arn for identity in unread}
        for identity in evaluator.index.identities_about(_ACTION):
            if identity.arn not in known:
                roles = frozenset().union(*map(self._roles, identity.policies))
                for role in (_ANY,) if _ANY in roles else roles:
                    self._add(role, identity)

    def in_account(self, role: str, account: str) -> Iterator[IamIdentity]:
        """Yield the users and roles of an account who may have the permission to assume the role."""
        for key in (role, _ANY):
            yield from self._by_role.get(key, {}).get(account, ())

    def by_name(self, role: str) -> Iterator[IamIdentity]:
        """Yield the users and roles of any account with a statement that names the role."""
        for identities in self._by_role.get(role, {}).values():
            yield from identities

    def _add(self, role: str, identity: IamIdentity) -> None:
        self._by_role.setdefault(role, {}).setdefault(identity.account, []).append(identity)
        if role == _ANY:
            self.for_any.append(identity)

    def _roles(self, document: PolicyDocument) -> frozenset[str]:
        known = self._roles_in.get(id(document))
        if known is None:
            known = self._roles_in[id(document)] = frozenset(_roles_in(document))
        return known


def _roles_in(document: PolicyDocument) -> Iterator[str]:
    """Yield the ARNs of the roles that a policy allows to assume; `*` if it does not name them one by one."""
    if not document.mentions(_ACTION):
        return
    policy = document.policy
    if policy is None:
        yield _ANY
        return
    for statement in policy.statements:
        if statement.effect == "Allow" and statement.actions.matches(_ACTION):
            resources = statement.resources
            if resources is None or resources.is_negated:
                yield _ANY
            else:
                yield from (text if _NOT_EXACT.isdisjoint(text) else _ANY for text in resources.written)
