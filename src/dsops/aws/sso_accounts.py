"""List every account and permission set that a login to IAM Identity Center can use."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from dsops.aws.apis.sso import Account, PortalClient, list_account_roles, list_accounts
from dsops.errors import DsopsError, LoginRequired, TimedOut, Unreachable
from dsops.tasks import gather

_AT_ONCE = 16
"""How many accounts are listed at the same time. With more, the portal throttles, and the list takes longer."""


class AccountRoles(NamedTuple):
    """One account, and the permission sets that the login has in it."""

    account: Account
    roles: tuple[str, ...]


class Assignments(NamedTuple):
    """The permission sets that a login can use, as far as the portal has returned them."""

    listed: tuple[AccountRoles, ...]
    failures: tuple[tuple[Account, DsopsError], ...]
    """The accounts whose permission sets are unknown, in the order of the accounts."""


async def list_assignments(portal: PortalClient, report: Callable[[int, int], None]) -> Assignments:
    """Return the login's permission sets in every account.

    `report` gets the number of accounts listed so far, and the number of all accounts. An account that can't be listed
    is among the failures. Once the portal can't be reached any more, the remaining accounts are not tried.

    Raises LoginRequired if the portal refuses the login, and the errors of `list_accounts`.
    """
    lister = _Lister(portal, await list_accounts(portal), report)
    await gather(*(lister.work() for _ in range(_AT_ONCE)))
    return lister.result()


class _Lister:
    """The accounts to list; several tasks take one account at a time from it."""

    def __init__(self, portal: PortalClient, accounts: list[Account], report: Callable[[int, int], None]) -> None:
        self._portal = portal
        self._accounts = accounts
        self._report = report
        self._next = 0
        self._outage: DsopsError | None = None
        self._outcomes: dict[str, tuple[str, ...] | DsopsError] = {}

    async def work(self) -> None:
        """List accounts until all are listed. Raises LoginRequired."""
        while self._next < len(self._accounts):
            account = self._accounts[self._next]
            self._next += 1
            self._outcomes[account.account_id] = self._outage or await self._roles(account)
            self._report(len(self._outcomes), len(self._accounts))

    async def _roles(self, account: Account) -> tuple[str, ...] | DsopsError:
        try:
            return tuple(await list_account_roles(self._portal, account.account_id))
        except LoginRequired:
            self._next = len(self._accounts)
            raise
        except (Unreachable, TimedOut) as error:
            self._outage = error
            return error
        except DsopsError as error:
            return error

    def result(self) -> Assignments:
        outcomes = [(account, self._outcomes[account.account_id]) for account in self._accounts]
        return Assignments(
            tuple(AccountRoles(account, roles) for account, roles in outcomes if isinstance(roles, tuple)),
            tuple((account, error) for account, error in outcomes if isinstance(error, DsopsError)),
        )
