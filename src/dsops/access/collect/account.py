"""Collect the folder of one account: identities, identity providers, and resources with their policies.

Files that are complete and young enough stay as they are, so that an interrupted collection continues where it ended.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from dsops.access.collect.account_apis import AccountApis, why
from dsops.access.collect.parallel import in_parallel
from dsops.access.collect.resources import ResourceCollector
from dsops.access.facts.gaps import gap_values, gaps_of
from dsops.access.facts.json_files import read_object, texts_of, write_object
from dsops.access.facts.layout import ACCOUNT, ACCOUNTS, DETAILS, PROVIDERS, RESOURCES, resource_files
from dsops.access.facts.world import Gap
from dsops.aws.apis.inventory import iam, regions
from dsops.aws.apis.inventory.pages import Json
from dsops.errors import DsopsError
from dsops.tasks import spawn

ALL_REGIONS: Final = "all"
_AT_ONCE: Final = 4
"""The number of files of one account that are collected in parallel."""


class Freshness(NamedTuple):
    """Which files need not be collected again."""

    now_seconds: float
    """The time in seconds since 1970."""
    max_age_seconds: float

    def has(self, path: str) -> bool:
        """Whether a file is young enough."""
        try:
            return self.now_seconds - os.stat(path, follow_symlinks=False).st_mtime < self.max_age_seconds
        except OSError:
            return False


class AccountCollector:
    """Collects one account into `accounts/ID` of a folder."""

    def __init__(self, folder: str, account: str, regions: Sequence[str], freshness: Freshness) -> None:
        self.account = account
        self._folder = os.path.join(folder, ACCOUNTS, account)
        self._wanted_regions = tuple(regions)
        self._freshness = freshness
        self._gaps: list[Gap] = []

    def is_complete(self) -> bool:
        """Whether all files of the account are there, are young enough and have no gaps."""
        about = self._content(ACCOUNT)
        if about is None or not self._freshness.has(self._path(DETAILS)) or self._content(PROVIDERS) is None:
            return False
        collected = tuple(texts_of(about, "Regions"))
        has_all = about.get("HasAllRegions") is True
        if not has_all and (ALL_REGIONS in self._wanted_regions or not {*self._wanted_regions} <= {*collected}):
            return False
        return all(self._content(f"{RESOURCES}/{name}") is not None for name in resource_files(collected))

    async def collect(self, apis: AccountApis, about: Json) -> list[Gap]:
        """Collect the files that are missing, old or have gaps; `about` is more content of `account.json`.

        Return the gaps of the account.
        """
        names = self._with_earlier(await self._regions(apis))
        content: Json = {"Id": self.account, **about, "Regions": list(names)}
        content["HasAllRegions"] = ALL_REGIONS in self._wanted_regions and not self._gaps
        # This file is written first. If the collection is interrupted, it shows which of the other files are still
        # missing.
        self._write(ACCOUNT, {**content, "Gaps": gap_values(self._gaps)})
        details = await spawn(self._details(apis))
        await self._providers(apis)
        await details
        files = resource_files(names)

        async def one(name: str) -> None:
            service, region = files[name]
            if self._content(f"{RESOURCES}/{name}") is None:
                collected = await ResourceCollector(apis, region).collect(service)
                self._write(f"{RESOURCES}/{name}", collected)
                self._gaps += gaps_of(collected, self.account)

        own = [*self._gaps]
        await in_parallel(list(files), one, _AT_ONCE)
        self._write(ACCOUNT, {**content, "Gaps": gap_values(own)})
        return self._gaps

    def skip(self, reason: str, about: Json) -> list[Gap]:
        """Write why nothing about the account could be collected. Return the gaps."""
        self._gaps = [Gap(self.account, "identities", reason), Gap(self.account, "resources", reason)]
        self._write(ACCOUNT, {"Id": self.account, **about, "Regions": [], "Gaps": gap_values(self._gaps)})
        return self._gaps

    async def _regions(self, apis: AccountApis) -> tuple[str, ...]:
        if ALL_REGIONS not in self._wanted_regions:
            return self._wanted_regions
        try:
            return tuple(await regions.describe_regions(apis.api("ec2")))
        except DsopsError as error:
            self._gaps.append(Gap(self.account, "resources", f"the regions of the account: {why(error)}"))
            return (apis.region,)

    def _with_earlier(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Return the regions, and those of earlier collections whose files are young; remove the files of the others.

        Without this, an old file of a region that is no longer collected would count as a fact.
        """
        expected = resource_files(names)
        about = read_object(self._path(ACCOUNT)).value
        earlier = tuple(region for region in texts_of(about, "Regions") if region not in names)
        fresh = tuple(
            region
            for region in earlier
            if all(self._content(f"{RESOURCES}/{name}") is not None for name in _own_files(region, expected))
        )
        for region in earlier:
            for name in _own_files(region, expected) if region not in fresh else ():
                with suppress(OSError):
                    os.unlink(self._path(f"{RESOURCES}/{name}"))
        return (*names, *fresh)

    async def _details(self, apis: AccountApis) -> None:
        if self._freshness.has(self._path(DETAILS)):
            return
        try:
            self._write(DETAILS, await iam.get_account_authorization_details(apis.api("iam")))
        except DsopsError as error:
            self._gaps.append(Gap(self.account, "identities", why(error)))

    async def _providers(self, apis: AccountApis) -> None:
        if self._content(PROVIDERS) is not None:
            return
        gaps: list[Gap] = []
        content: Json = {}
        for name, read in (
            ("OpenIDConnectProviderList", iam.list_open_id_connect_providers),
            ("SAMLProviderList", iam.list_saml_providers),
        ):
            try:
                content[name] = await read(apis.api("iam"))
            except DsopsError as error:
                gaps.append(Gap(self.account, "identities", f"identity providers: {why(error)}"))
        self._write(PROVIDERS, {**content, "Gaps": gap_values(gaps)})

    def _content(self, name: str) -> Json | None:
        """Return the content of a file that is young enough and has no gaps; None for any other file."""
        if not self._freshness.has(self._path(name)):
            return None
        content = read_object(self._path(name))
        return None if content.problem or content.value.get("Gaps") else content.value

    def _write(self, name: str, content: Json) -> None:
        write_object(self._path(name), content)

    def _path(self, name: str) -> str:
        return os.path.join(self._folder, name)


def _own_files(region: str, others: Collection[str]) -> list[str]:
    """Return the names of the files of one region, without those that other regions have, too."""
    return [name for name in resource_files((region,)) if name not in others]
