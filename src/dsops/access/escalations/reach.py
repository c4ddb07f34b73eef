"""Find the roles that a principal can assume one after the other, and remember them.

In an account in which all roles trust `*`, each role reaches all others. Roles that reach each other share one value,
which is computed once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from dsops.access.facts.world import IamIdentity
from dsops.access.questions.assuming import Assumption, Assumptions, Settled
from dsops.access.questions.evaluator import Evaluator

_MANY: Final = 200
"""A principal that reaches more roles is likely to be one of many that reach the same ones."""
_MANY_OF_ALL: Final = 2_000
"""With more roles that trust `*`, what each principal can assume is not remembered, because it takes much memory."""


class Reach:
    """A principal and the roles that it can assume one after the other, in no certain order."""

    __slots__ = ("arns", "members")

    def __init__(self, members: Iterable[IamIdentity]) -> None:
        self.members = tuple(members)
        self.arns = frozenset(member.arn for member in self.members)


class Reaches:
    """What each user and role reaches. Each one is computed at the first question about it."""

    def __init__(self, evaluator: Evaluator, assumptions: Assumptions) -> None:
        self._identities = evaluator.world.identities
        self._assumptions = assumptions
        self._known: dict[str, Reach] = {}

    def of(self, identity: IamIdentity) -> Reach:
        """Return the identity, and the roles that it can assume one after the other."""
        known = self._known.get(identity.arn)
        if known is None:
            known = self._known[identity.arn] = Reach(self._walk(identity, ""))
            if len(known.members) > _MANY and identity.kind == "role":
                self._share(identity, known)
        return known

    def inside(self, identity: IamIdentity) -> Iterable[IamIdentity]:
        """Return the identity and roles of its account that it reaches, the sooner the fewer look-ups they need.

        The roles are those that it reaches without roles of other accounts. There are none if the account has many
        roles that trust `*`, because then it takes less time to find all.
        """
        return () if self._is_open(identity) else self._walk(identity, identity.account)

    def _is_open(self, identity: IamIdentity) -> bool:
        return self._assumptions.open_roles(identity.account) > _MANY

    def _assumable(self, identity: IamIdentity, found: Settled, within: str) -> Iterable[tuple[str, Assumption]]:
        """Return the roles that can be assumed, perhaps without those that were found."""
        if self._is_open(identity) or self._assumptions.open_roles() > _MANY_OF_ALL:
            return self._assumptions.unsettled_by(identity.arn, found, within)
        return self._assumptions.by(identity.arn, within)

    def _walk(self, identity: IamIdentity, within: str) -> Iterator[IamIdentity]:
        """Yield the identity and what it reaches; `within`: only through roles of this account."""
        found = Settled()
        found.names.add(identity.arn)
        waiting = [identity]
        yield identity
        while waiting:
            for role, assumption in self._assumable(waiting.pop(), found, within):
                if assumption.answer.is_possible and role not in found.names:
                    # A reach that was computed before lists all roles that this role can become, directly or not.
                    known = None if within else self._known.get(role)
                    members = (self._identities[role],) if known is None else known.members
                    new = [member for member in members if member.arn not in found.names]
                    found.names.update(member.arn for member in new)
                    yield from new
                    waiting += new if known is None else ()

    def _share(self, identity: IamIdentity, reach: Reach) -> None:
        """Remember the value for those of its members that can assume the identity: they reach the same."""
        for assumption in self._assumptions.of(identity.arn, Settled()):
            caller = assumption.caller
            if caller.name in reach.arns and not caller.outside and assumption.answer.is_possible:
                self._known.setdefault(caller.name, reach)
