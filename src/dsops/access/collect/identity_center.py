"""Collect `identity-center.json`: permission sets, and which users and groups have them in which accounts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from dsops.access.collect.account_apis import AccountApis, why
from dsops.access.collect.parallel import in_parallel
from dsops.access.facts.gaps import gap_values
from dsops.access.facts.json_files import text_of
from dsops.access.facts.world import Gap
from dsops.aws.apis.inventory import identity_center as calls
from dsops.aws.apis.inventory.pages import Json
from dsops.errors import DsopsError

_AT_ONCE: Final = 4


class IdentityCenterCollector:
    """Collects the instances of Identity Center in some regions; an organization has one, in one region."""

    def __init__(self, apis: AccountApis) -> None:
        self._apis = apis
        self._sets: list[Json] = []
        self._assignments: list[Json] = []
        self._names: dict[tuple[str, str], str] = {}
        self._gaps: list[Gap] = []

    async def collect(self, regions: Sequence[str]) -> Json:
        """Return the content of the file. What is denied becomes a gap in it."""
        for region in regions:
            if await self._region(region):
                break
        return {
            "PermissionSets": self._sets,
            "Assignments": self._assignments,
            "Regions": list(regions),
            "Gaps": gap_values(self._gaps),
        }

    async def _region(self, region: str) -> bool:
        """Collect the instances of a region. Return whether there are any: an organization has only one."""
        try:
            instances = await calls.list_instances(self._apis.api("sso-admin", region))
            if instances:
                # The instance was found, so errors in the regions that were asked before do not matter.
                self._gaps.clear()
            for instance in instances:
                await self._instance(instance, region)
        except DsopsError as error:
            self._gaps.append(Gap("", "identities", f"assignments of Identity Center: {why(error)}"))
            return False
        return bool(instances)

    async def _instance(self, instance: Json, region: str) -> None:
        api, arn = self._apis.api("sso-admin", region), text_of(instance, "InstanceArn")
        store = text_of(instance, "IdentityStoreId")

        async def one(permission_set: str) -> None:
            about = await calls.describe_permission_set(api, arn, permission_set)
            name = text_of(about, "Name")
            self._sets.append({"PermissionSetArn": permission_set, "Name": name})
            accounts = await calls.list_accounts_for_provisioned_permission_set(api, arn, permission_set)
            for account in accounts:
                for entry in await calls.list_account_assignments(api, arn, permission_set, account):
                    self._assignments.append(await self._assignment(entry, name, store, region))

        await in_parallel(await calls.list_permission_sets(api, arn), one, _AT_ONCE)

    async def _assignment(self, entry: Json, permission_set: str, store: str, region: str) -> Json:
        kind, identifier = text_of(entry, "PrincipalType"), text_of(entry, "PrincipalId")
        if (kind, identifier) not in self._names:
            self._names[kind, identifier] = await self._name(kind, identifier, store, region)
        return {
            "PrincipalType": kind,
            "PrincipalId": identifier,
            "PrincipalName": self._names[kind, identifier],
            "PermissionSetName": permission_set,
            "AccountId": text_of(entry, "AccountId"),
        }

    async def _name(self, kind: str, identifier: str, store: str, region: str) -> str:
        """Return the name of a user or group; "" if the directory does not say it: the id then stands for it."""
        api = self._apis.api("identitystore", region)
        try:
            if kind == "GROUP":
                return await calls.describe_group(api, store, identifier)
            return await calls.describe_user(api, store, identifier)
        except DsopsError:
            return ""
