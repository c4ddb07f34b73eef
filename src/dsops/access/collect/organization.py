"""Collect `organization.json`: the tree of the organization, its accounts and its control policies."""

from __future__ import annotations

from typing import Final

from dsops.access.collect.account_apis import AccountApis, why
from dsops.access.collect.parallel import in_parallel
from dsops.access.facts.documents import policy_value
from dsops.access.facts.gaps import gap_values, unknown_membership
from dsops.access.facts.json_files import objects_of, text_of
from dsops.access.facts.organization import POLICY_TYPES
from dsops.access.facts.world import Gap
from dsops.aws.apis.inventory import organization as calls
from dsops.aws.apis.inventory.pages import Json, ServiceApi
from dsops.errors import DsopsError, EntityNotFound
from dsops.policy import PolicyKind

_AT_ONCE: Final = 4
"""The number of calls in parallel. AWS Organizations allows few requests per second."""

_MOST_UNITS: Final = 20_000
"""The maximum number of units, which stops a tree with a loop."""


class OrganizationCollector:
    """Collects the organization of the caller's account; a list that is denied becomes a gap."""

    def __init__(self, apis: AccountApis) -> None:
        self._api: ServiceApi = apis.api("organizations")
        self._account = apis.account
        self._units: list[Json] = []
        self._accounts: list[Json] = []
        self._policies: list[Json] = []
        self._gaps: list[Gap] = []

    async def collect(self) -> Json:
        """Return the content of the file. An account in none is its own, without policies."""
        try:
            organization = await calls.describe_organization(self._api)
        except EntityNotFound:
            return self._single_account()
        except DsopsError as error:
            self._gaps += unknown_membership("", why(error))
            return self._result({}, [])
        roots = await self._tree()
        for kind, policy_type in POLICY_TYPES.items():
            if not roots or any(_has_enabled(root, policy_type) for root in roots):
                await self._collect_policies(kind, policy_type)
        return self._result(organization, roots)

    def _single_account(self) -> Json:
        # `null` means that the account is known not to belong to an organization.
        return {"Organization": None, "Accounts": [{"Id": self._account}], "Gaps": []}

    def _result(self, organization: Json, roots: list[Json]) -> Json:
        return {
            "Organization": organization,
            "Roots": roots,
            "OrganizationalUnits": self._units,
            "Accounts": self._accounts,
            "Policies": self._policies,
            "Gaps": gap_values(self._gaps),
        }

    async def _tree(self) -> list[Json]:
        """Collect the units and accounts of all roots; return the roots."""
        try:
            roots = await calls.list_roots(self._api)
            level = [text_of(root, "Id") for root in roots]
            while level and len(self._units) < _MOST_UNITS:
                units = await in_parallel(level, self._children, _AT_ONCE)
                level = [text_of(unit, "Id") for children in units for unit in children]
        except DsopsError as error:
            self._gaps.append(Gap("", "identities", f"the accounts of the organization: {why(error)}"))
            self._gaps += unknown_membership("", why(error))
            return []
        self._accounts.sort(key=lambda account: text_of(account, "Id"))
        return roots

    async def _children(self, parent: str) -> list[Json]:
        units = await calls.list_organizational_units_for_parent(self._api, parent)
        accounts = await calls.list_accounts_for_parent(self._api, parent)
        self._units += [_part(unit, ("Id", "Name"), parent) for unit in units]
        self._accounts += [_part(account, ("Id", "Name", "Status"), parent) for account in accounts]
        return units

    async def _collect_policies(self, kind: PolicyKind, policy_type: str) -> None:
        try:
            summaries = await calls.list_policies(self._api, policy_type)
        except DsopsError as error:
            self._gaps.append(Gap("", kind, why(error)))
            return

        async def one(summary: Json) -> Json:
            return await self._policy(kind, summary)

        self._policies += await in_parallel(summaries, one, _AT_ONCE)

    async def _policy(self, kind: PolicyKind, summary: Json) -> Json:
        identifier = text_of(summary, "Id")
        content = ""
        targets: list[str] = []
        try:
            content = await calls.describe_policy(self._api, identifier)
            targets = await calls.list_targets_for_policy(self._api, identifier)
        except DsopsError as error:
            self._gaps.append(Gap("", kind, f"the policy {text_of(summary, 'Name')}: {why(error)}"))
        return {"Summary": summary, "Content": policy_value(content), "Targets": targets}


def _has_enabled(root: Json, policy_type: str) -> bool:
    """Whether policies of a type have an effect. Until then, AWS may refuse to list them."""
    types = objects_of(root, "PolicyTypes")
    return any(text_of(each, "Type") == policy_type and text_of(each, "Status") == "ENABLED" for each in types)


def _part(entry: Json, keys: tuple[str, ...], parent: str) -> Json:
    """Return some members of a unit or account, without its ARN and e-mail address, and its parent."""
    return {**{key: text_of(entry, key) for key in keys}, "ParentId": parent}
