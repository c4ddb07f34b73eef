"""Collect an organization into a folder: first the organization itself, then its accounts, a few at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from dsops.access.collect.account import ALL_REGIONS, AccountCollector, Freshness
from dsops.access.collect.account_apis import AccountApis, why
from dsops.access.collect.identity_center import IdentityCenterCollector
from dsops.access.collect.organization import OrganizationCollector
from dsops.access.collect.parallel import in_parallel
from dsops.access.facts.gaps import gaps_of
from dsops.access.facts.json_files import objects_of, read_object, text_of, write_object
from dsops.access.facts.layout import COLLECTION, IDENTITY_CENTER, ORGANIZATION
from dsops.access.facts.organization import CLOSED
from dsops.access.facts.world import Gap
from dsops.arn import partition_of_region
from dsops.aws.apis.inventory.organization import describe_organization
from dsops.aws.apis.inventory.pages import Json
from dsops.aws.apis.inventory.regions import describe_regions
from dsops.aws.apis.sts import assume_role
from dsops.credentials import Credentials
from dsops.errors import CredentialsExpired, DsopsError, Unreachable
from dsops.resolve.acts import session_answer
from dsops.runtime import Act

DEFAULT_ROLE: Final = "OrganizationAccountAccessRole"
"""The role that AWS Organizations creates in the accounts that it creates. It is an administrator."""

_SESSION_NAME: Final = "dsops-access-collect"
_AT_ONCE: Final = 4
"""The number of accounts in parallel. With 4 files and 4 resources of each, at most 64 calls run at once."""


class Order(NamedTuple):
    """What to collect, and where to put it."""

    folder: str
    accounts: tuple[str, ...]
    """The accounts to collect; () for all of the organization."""
    role: str
    """The name, with its path, of the role to assume in each account except the caller's own."""
    regions: tuple[str, ...]
    freshness: Freshness
    caller: str
    """The ARN of the caller."""
    collected_at: str
    """The time of the collection, as in `2026-11-28T12:00:00Z`."""


class Collected(NamedTuple):
    """The result of a collection."""

    folder: str
    accounts: tuple[str, ...]
    """The accounts that were to be collected."""
    kept: tuple[str, ...]
    """The accounts among them whose facts in the folder were young enough."""
    gaps: tuple[Gap, ...]


class Collector:
    """Collects with the APIs of the caller's own account, from which it assumes a role in the other accounts."""

    def __init__(self, apis: AccountApis, order: Order, report: Callable[[int, int], None]) -> None:
        """`report` is called with the number of finished accounts and the number of all."""
        self._apis = apis
        self._order = order
        self._report = report
        self._gaps: list[Gap] = []
        self._kept: list[str] = []
        self._names: dict[str, str] = {}
        self._total = 0
        self._done = 0

    async def collect(self) -> Collected:
        """Collect everything. After an error, the folder is usable, and the next collection completes it.

        Raises CredentialsExpired and Unreachable, since no other account could be collected either.
        """
        listed = await self._organization()
        await self._identity_center()
        accounts = self._order.accounts or listed or (self._apis.account,)
        self._total = len(accounts)
        self._report(0, self._total)
        gaps = await in_parallel(accounts, self._account, _AT_ONCE)
        self._gaps += [gap for each in gaps for gap in each]
        write_object(self._path(COLLECTION), self._about(accounts))
        return Collected(self._order.folder, tuple(accounts), tuple(self._kept), tuple(dict.fromkeys(self._gaps)))

    def _about(self, accounts: Sequence[str]) -> Json:
        return {
            "CollectedAt": self._order.collected_at,
            "Caller": self._order.caller,
            "Role": self._order.role,
            "Accounts": list(accounts),
        }

    async def _organization(self) -> tuple[str, ...]:
        """Write `organization.json` if it is missing, old or has gaps. Return the accounts that are not closed."""
        content = self._fresh(ORGANIZATION)
        if content is None:
            content = await OrganizationCollector(self._apis).collect()
            write_object(self._path(ORGANIZATION), content)
            self._gaps += gaps_of(content, "")
        listed = objects_of(content, "Accounts")
        self._names = {text_of(account, "Id"): text_of(account, "Name") for account in listed}
        return tuple(text_of(account, "Id") for account in listed if text_of(account, "Status") not in CLOSED)

    async def _identity_center(self) -> None:
        if self._fresh(IDENTITY_CENTER) is None:
            regions = self._order.regions if ALL_REGIONS not in self._order.regions else await self._all_regions()
            content = await IdentityCenterCollector(self._apis).collect(regions)
            write_object(self._path(IDENTITY_CENTER), content)
            self._gaps += gaps_of(content, "")

    async def _all_regions(self) -> tuple[str, ...]:
        try:
            return tuple(await describe_regions(self._apis.api("ec2")))
        except DsopsError:
            return (self._apis.region,)

    async def _account(self, account: str) -> list[Gap]:
        collector = AccountCollector(self._order.folder, account, self._order.regions, self._order.freshness)
        if collector.is_complete():
            self._kept.append(account)
            gaps: list[Gap] = []
        else:
            about: Json = {
                "Name": self._names.get(account, ""),
                "Partition": self._partition,
                "CollectedAt": self._order.collected_at,
            }
            try:
                apis = await self._enter(account)
            except (CredentialsExpired, Unreachable):
                raise
            except DsopsError as error:
                gaps = collector.skip(why(error), about)
            else:
                gaps = await collector.collect(apis, about)
        self._done += 1
        self._report(self._done, self._total)
        return gaps

    async def _enter(self, account: str) -> AccountApis:
        """Return the APIs of an account: the caller's own, or those of a session of the role in it."""
        if account == self._apis.account:
            return self._apis
        api = self._apis.api("sts")
        role = f"arn:{self._partition}:iam::{account}:role/{self._order.role}"
        try:
            session = await assume_role(
                api.client, api.credentials, api.endpoint, role_arn=role, role_session_name=_SESSION_NAME
            )
        except DsopsError as error:
            self._record(role, error)
            raise
        self._record(role, session.credentials)
        return self._apis._replace(credentials=session.credentials, account=account)

    def _record(self, role: str, outcome: Credentials | DsopsError) -> None:
        """Add the session, or the error in its place, to the audit trail."""
        api = self._apis.api("sts")
        journal = api.client.runtime.journal
        if journal is None:
            return
        session = outcome if isinstance(outcome, Credentials) else None
        journal.add(
            Act(
                "AssumeRole",
                "sts",
                api.endpoint.signing_region,
                caller=self._order.caller,
                key=api.credentials.access_key_id,
                asked={"roleArn": role, "roleSessionName": _SESSION_NAME},
                answer=session_answer(session) if session is not None else {},
                request_id=session.request_id if session is not None else "",
                error=outcome if isinstance(outcome, DsopsError) else None,
                is_of_sandbox=api.endpoint.url in api.client.sandboxes,
            )
        )

    @property
    def _partition(self) -> str:
        return partition_of_region(self._apis.region).name

    def _fresh(self, name: str) -> Json | None:
        """Return the content of a file that is young enough and has no gaps; None for any other file."""
        if not self._order.freshness.has(self._path(name)):
            return None
        content = read_object(self._path(name))
        return None if content.problem or content.value.get("Gaps") else content.value

    def _path(self, name: str) -> str:
        return os.path.join(self._order.folder, name)


async def organization_id(apis: AccountApis) -> str:
    """Return the id of the caller's organization; "" if the account is in none, or may not ask."""
    try:
        return text_of(await describe_organization(apis.api("organizations")), "Id")
    except DsopsError:
        return ""
