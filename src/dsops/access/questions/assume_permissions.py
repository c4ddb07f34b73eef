"""Find the users and roles whose own policies can allow them to assume a role, by the role's ARN.

Most statements about sts:AssumeRole name the roles. So a role that trusts a whole account, or `*`, has few candidates.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import cached_property
from typing import Final

from dsops.access.facts.world import IamIdentity, PolicyDocument
from dsops.access.questions.evaluator import Evaluator

_ACTION: Final = "sts:assumerole"
ANY_ROLE: Final = "*"
_NOT_EXACT: Final = frozenset("*?$")


class AssumePermissions:
    """The users and roles with a statement that allows sts:AssumeRole, by account and by the roles that it names.

    The policies of an account are parsed at the first question about it.
    """

    def __init__(self, evaluator: Evaluator) -> None:
        self._gaps = evaluator.gaps
        self._roles_in: dict[int, frozenset[str]] = {}
        self._mentioning: dict[str, list[IamIdentity]] = {}
        """Account -> the users and roles whose policies mention sts:AssumeRole, or could not be read."""
        self._by_account: dict[str, dict[str, list[IamIdentity]]] = {}
        """Account -> a role's ARN, or `*` for several roles -> users and roles."""
        unread = filter(self._gaps.hides_policies_of, evaluator.world.identities.values())
        found = {identity.arn: identity for identity in unread}
        found |= {identity.arn: identity for identity in evaluator.index.identities_about(_ACTION)}
        for identity in found.values():
            self._mentioning.setdefault(identity.account, []).append(identity)

    def in_account(self, role: str, account: str) -> Iterator[IamIdentity]:
        """Yield the users and roles of an account who may have the permission to assume the role."""
        by_role = self._of_account(account)
        for key in (role, ANY_ROLE):
            yield from by_role.get(key, ())

    def by_name(self, role: str) -> Sequence[IamIdentity]:
        """Return the users and roles of any account with a statement that names the role."""
        return self._by_role.get(role, ())

    @property
    def for_any(self) -> Sequence[IamIdentity]:
        """The users and roles of any account who may have the permission for roles that they don't name."""
        return self._by_role.get(ANY_ROLE, ())

    @cached_property
    def _by_role(self) -> dict[str, list[IamIdentity]]:
        """The users and roles of all accounts."""
        merged: dict[str, list[IamIdentity]] = {}
        for account in self._mentioning:
            for role, identities in self._of_account(account).items():
                merged.setdefault(role, []).extend(identities)
        return merged

    def _of_account(self, account: str) -> dict[str, list[IamIdentity]]:
        known = self._by_account.get(account)
        if known is None:
            known = self._by_account[account] = {}
            for identity in self._mentioning.get(account, ()):
                for role in self.roles_of(identity):
                    known.setdefault(role, []).append(identity)
        return known

    def roles_of(self, identity: IamIdentity) -> Collection[str]:
        """Return the ARNs of the roles that the policies of a user or role may allow to assume; `*` for several."""
        if self._gaps.hides_policies_of(identity):
            return (ANY_ROLE,)
        roles = frozenset().union(*map(self._roles, identity.policies))
        return (ANY_ROLE,) if ANY_ROLE in roles else roles

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
        yield ANY_ROLE
        return
    for statement in policy.statements:
        if statement.effect == "Allow" and statement.actions.matches(_ACTION):
            resources = statement.resources
            if resources is None or resources.is_negated:
                yield ANY_ROLE
            else:
                yield from (text if _NOT_EXACT.isdisjoint(text) else ANY_ROLE for text in resources.written)
