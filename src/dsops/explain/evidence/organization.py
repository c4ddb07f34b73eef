"""Reads an account's place in its organization, and the control policies on every level above the account.

Any member account may describe its organization. Only the management account and delegated administrators may read
policies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from dsops.aws.apis.organizations import (
    Organization,
    OrganizationsClient,
    describe_organization,
    describe_policy,
    list_enabled_policy_types,
    list_parents,
    list_policies_for_target,
)
from dsops.errors import AccessDenied, ServiceError
from dsops.policy import AccountPlace, Place, PolicyText
from dsops.tasks import AsyncOnce, gather

Levels = tuple[tuple[PolicyText, ...], ...]
"""The policies by level: the root, the organizational units, then the account."""

_TYPES: Final[dict[Place, str]] = {"scp": "SERVICE_CONTROL_POLICY", "rcp": "RESOURCE_CONTROL_POLICY"}
_MOST_LEVELS: Final = 10
"""The maximum number of steps from an account up to its organization's root. It stops a loop in invalid data.

AWS allows seven levels: a root, five nested units and the account.
"""


# AWS emulators often return error codes of their own for calls to Organizations.
_CANT_TELL: Final = (AccessDenied, ServiceError)
_IN_NONE: Final = AccountPlace("", "", {"scp": (), "rcp": ()}, "")


class OrganizationReader:
    """Reads where accounts are in one organization; reads each account only once."""

    def __init__(
        self,
        own: Mapping[str, OrganizationsClient],
        management: Callable[[str], OrganizationsClient | None],
        more: Sequence[OrganizationsClient] = (),
    ) -> None:
        """Create a reader that tries several clients.

        - `own`: the clients by account.
        - `management`: a function that takes a management account and returns its client, or None.
        - `more`: further clients, tried if the others lack the permission.
        """
        self._own = own
        self._more = more
        self._management = management
        self._memberships: dict[str, AsyncOnce[AccountPlace]] = {}
        self._texts: dict[str, AsyncOnce[str]] = {}
        self._types: AsyncOnce[frozenset[str]] | None = None

    async def membership(self, account: str) -> AccountPlace:
        """Return the account's place in its organization."""
        return await self._memberships.setdefault(account, AsyncOnce(lambda: self._read(account))).get()

    async def _read(self, account: str) -> AccountPlace:
        own = self._own.get(account)
        best: AccountPlace | None = None
        # An account's own credentials can read its organization; other facts need the management account's credentials.
        others = [
            organization_reader
            for organization_reader in (*self._own.values(), *self._more)
            if organization_reader is not own
        ]
        for api in [*([own] if own is not None else []), *others]:
            try:
                organization = await describe_organization(api)
            except _CANT_TELL as refused:
                best = best or AccountPlace(None, "", None, refused.message)
                continue
            if organization is not None:
                place = await self._place(account, api, organization, is_own=api is own)
                if not place.unread:
                    return place
                best = best if best is not None and best.organization_id is not None else place
            elif api is own:
                return _IN_NONE
        return best or _unknown(account)

    async def _place(
        self, account: str, api: OrganizationsClient, organization: Organization, *, is_own: bool
    ) -> AccountPlace:
        """Return the account's place, read by the management account's client if there is one, else by `api`."""
        api = self._management(organization.management_account) or api
        known_id = organization.id if is_own else None
        try:
            nodes = await _ancestors(api, account)
            if not nodes:
                return _unknown(account)
            path = "/".join([organization.id, *reversed(nodes[1:]), ""])
            return AccountPlace(organization.id, path, await self._levels(api, organization, nodes), "")
        except _CANT_TELL as refused:
            return AccountPlace(known_id, "", None, refused.message)

    async def _levels(
        self, api: OrganizationsClient, organization: Organization, nodes: list[str]
    ) -> Mapping[Place, Levels]:
        # SCPs and RCPs apply neither to the management account nor in an organization without all features.
        if nodes[0] == organization.management_account or not organization.has_all_features:
            return {"scp": (), "rcp": ()}
        self._types = self._types or AsyncOnce(lambda: list_enabled_policy_types(api))
        enabled = await self._types.get()
        levels_by_kind: dict[Place, Levels] = {}
        for place, policy_type in _TYPES.items():
            levels_by_kind[place] = ()
            if policy_type in enabled:
                levels = await gather(*[self._attached(api, node, policy_type) for node in reversed(nodes)])
                levels_by_kind[place] = tuple(levels)
        return levels_by_kind

    async def _attached(self, api: OrganizationsClient, node: str, policy_type: str) -> tuple[PolicyText, ...]:
        listed = await list_policies_for_target(api, node, policy_type)
        texts = await gather(*[self._text(api, policy_id) for policy_id, _ in listed])
        return tuple(PolicyText(arn, text) for (_, arn), text in zip(listed, texts, strict=True))

    async def _text(self, api: OrganizationsClient, policy_id: str) -> str:
        return await self._texts.setdefault(policy_id, AsyncOnce(lambda: describe_policy(api, policy_id))).get()


async def _ancestors(api: OrganizationsClient, account: str) -> list[str]:
    """Return the account, its units and the root; [] when the account is not in the organization."""
    nodes = [account]
    for _ in range(_MOST_LEVELS):
        parent = await list_parents(api, nodes[-1])
        if parent is None:
            return []
        nodes.append(parent.id)
        if parent.is_root:
            return nodes
    return []


def _unknown(account: str) -> AccountPlace:
    return AccountPlace(None, "", None, f"which organization account {account} is in is not known to the keys that ask")
