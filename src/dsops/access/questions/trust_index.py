"""Find the roles whose trust policies name a user or role, without a look at each role."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from dsops.access.facts.world import IamIdentity, OrganizationFacts
from dsops.arn import parse_arn
from dsops.policy import Statement

_ASSUMING = ("sts:assumerole", "sts:assumerolewithwebidentity", "sts:assumerolewithsaml")


def trusting_statements(role: IamIdentity) -> Iterator[Statement]:
    """Yield the Allow statements of the role's trust policy about assuming it."""
    policy = role.trust.policy if role.trust is not None else None
    for statement in policy.statements if policy is not None else ():
        if statement.effect == "Allow" and any(map(statement.actions.matches, _ASSUMING)):
            yield statement


def aws_entries(role: IamIdentity) -> Iterator[str]:
    """Yield the entries of type AWS in the trust policy; an account is its id, in both forms of the entry."""
    for statement in trusting_statements(role):
        principals = statement.principals
        for kind, text in principals.written if principals is not None else ():
            if kind == "AWS":
                arn = parse_arn(text)
                yield arn.account if arn is not None and arn.resource == "root" else text


RestOf = Callable[[Mapping[str, IamIdentity]], Iterable[IamIdentity]]


class TrustIndex:
    """The roles of a world by the entries in their trust policies."""

    def __init__(self, world: OrganizationFacts, any_role: str) -> None:
        """`any_role` stands for several roles in the collections that `trusting` gets."""
        self._any_role = any_role
        self._by_entry: dict[str, dict[str, IamIdentity]] = {}
        self._open: dict[str, dict[str, IamIdentity]] = {}
        """Account -> its roles that trust `*`."""
        for role in world.identities.values():
            for text in aws_entries(role) if role.kind == "role" else ():
                roles = self._open.setdefault(role.account, {}) if text == "*" else self._by_entry.setdefault(text, {})
                roles[role.arn] = role
        self._open_of_all = sum(map(len, self._open.values()))

    def open_roles(self, account: str) -> int:
        """Return the number of roles of an account that trust `*`; "" for all accounts."""
        return len(self._open.get(account, _NONE)) if account else self._open_of_all

    def trusting(
        self, identity: IamIdentity, permitted: Collection[str], within: str, rest_of: RestOf
    ) -> Iterator[IamIdentity]:
        """Yield the roles that may be assumable for a user or role, perhaps twice.

        - `permitted`: the ARNs of the roles that its own policies may allow to assume.
        - `within`: only the roles of this account; "" for those of all accounts.
        - `rest_of`: returns the roles of a list that are needed.

        A role that trusts `*` needs no permission of a principal of its own account.
        """
        named = [*self._by_entry.get(identity.arn, _NONE).values()]
        named += self._by_entry.get(identity.unique_id, _NONE).values() if identity.unique_id else ()
        open_to = self._open.values() if not within else [self._open.get(within, _NONE)]
        yield from (role for role in named if within in ("", role.account))
        yield from rest_of(self._open.get(identity.account, _NONE)) if within in ("", identity.account) else ()
        for roles in (self._by_entry.get(identity.account, _NONE), *open_to):
            found = rest_of(roles) if self._any_role in permitted else (roles[arn] for arn in permitted if arn in roles)
            yield from (role for role in found if within in ("", role.account))


_NONE: Mapping[str, IamIdentity] = {}
