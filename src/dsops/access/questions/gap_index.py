"""Find the facts that could not be read and that concern a caller or a resource."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import chain
from typing import Final

from dsops.access.facts.world import Gap, IamIdentity
from dsops.access.questions.caller import AccessCaller

_OF_RESOURCE: Final = ("resources", "resource", "trust", "rcp")
"""The places of gaps that concern a resource, not a caller."""
_KEYS_OF_RESOURCE: Final = ("aws:resource", "kms:")
"""The beginning of the condition keys that are about the resource; the others are about the caller."""
_GRANTING: Final = ("resources", "resource", "trust")
"""Those that can hide a permission."""
_WITHOUT_RESOURCES: Final = ("", "iam", "sts")
"""Services without resources of their own: a role's policy is its trust policy, and `*` has no policy."""


class GapIndex:
    """The gaps of a world by account."""

    def __init__(self, gaps: tuple[Gap, ...]) -> None:
        self._by_account: dict[str, list[Gap]] = {}
        for gap in gaps:
            self._by_account.setdefault(gap.account, []).append(gap)

    def about(self, caller: AccessCaller, resources: tuple[str, ...], account: str) -> Iterator[Gap]:
        """Yield the gaps that concern the caller, or a resource of the account, given by the ARNs of its policies."""
        for owner in dict.fromkeys(("", caller.principal.account, account)):
            for gap in self._by_account.get(owner, ()):
                if gap.place == "context":
                    yield from _of_keys(gap, owner, caller, resources, account)
                    continue
                of_resource = gap.place in _OF_RESOURCE
                if owner and owner != (account if of_resource else caller.principal.account):
                    continue
                if _concerns(gap, resources) if of_resource else gap.arn in ("", caller.name):
                    yield gap

    def hides_policies_of(self, identity: IamIdentity) -> bool:
        """Whether some of the policies of a user or role could not be read."""
        gaps = (*self._by_account.get("", ()), *self._by_account.get(identity.account, ()))
        return any(gap.place == "identity" and gap.arn in ("", identity.arn) for gap in gaps)

    def accounts_that_may_use(self, resources: tuple[str, ...], account: str) -> set[str]:
        """Return the accounts whose callers may have a permission for the resource that could not be read.

        `account` is the resource's; "" if it is the caller's. In the result, "" stands for all accounts.
        """
        owners = ("", account) if account else self._by_account
        granting = {owner for owner in owners if any(_hides_grant(gap, resources) for gap in self._gaps_of(owner))}
        return {*self._unread_callers, *({""} if account and granting else granting)}

    def _gaps_of(self, account: str) -> Sequence[Gap]:
        return self._by_account.get(account, ())

    @cached_property
    def _unread_callers(self) -> frozenset[str]:
        """The accounts with a user or role whose policies could not be read."""
        every = chain.from_iterable(self._by_account.values())
        return frozenset(gap.account for gap in every if gap.place == "identity")


def _of_keys(gap: Gap, owner: str, caller: AccessCaller, resources: tuple[str, ...], account: str) -> Iterator[Gap]:
    """Yield a gap of condition keys with those keys that are about the owner: as the caller, or as the resource."""
    is_caller = owner in ("", caller.principal.account) and gap.arn in ("", caller.name)
    is_resource = owner in ("", account) and gap.arn in ("", *resources)
    keys = tuple(key for key in gap.keys if (is_resource if key.startswith(_KEYS_OF_RESOURCE) else is_caller))
    if keys:
        yield gap._replace(keys=keys)


def _hides_grant(gap: Gap, resources: tuple[str, ...]) -> bool:
    """Whether the missing fact may be a permission for a resource."""
    return gap.place in _GRANTING and _concerns(gap, resources)


def _concerns(gap: Gap, resources: tuple[str, ...]) -> bool:
    """Whether a gap at a place of resources is about a resource."""
    service = resources[0].split(":")[2] if resources[0].count(":") >= 2 else ""
    if gap.place == "resources" and (service in _WITHOUT_RESOURCES or service in gap.known_services):
        return False
    return gap.arn in ("", *resources) and gap.service in ("", service)
