"""Store refused requests by authorization id for the IAM Toolbox, for as long as AWS stores them.

IAM User Guide, "Troubleshoot access denied error messages with authorization ID (Preview)" describes the text that is
appended to AWS's message, the limits (24 hours, one region), and who may read a record. AWS so far returns ids for
most of IAM. In the sandbox, the seed lists the services that return ids.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from dsops.request.wire.models import EVERY_SERVICE
from dsops.sandbox.authorization.authorizer import RecordedDecision
from dsops.sandbox.state.organizations import Organizations

_KEPT: Final = 1000
_SECONDS: Final = 24 * 3600
_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_LENGTH: Final = 25
"""The length of the ids that AWS returns. AWS's model allows up to 256 characters."""
_CONSOLES: Final = {"aws-cn": "console.amazonaws.cn", "aws-us-gov": "console.amazonaws-us-gov.com"}
_CONSOLE: Final = "console.aws.amazon.com"


class Owner(NamedTuple):
    """An account and its position in an organization at the time when a request was refused."""

    account: str
    organization_id: str
    """The id of the account's organization; "" if the account belongs to none."""
    nodes: tuple[str, ...]
    """The ARNs of the organization's root, of the organizational units above the account, and of the account."""

    def lets(self, account: str, organization_id: str) -> bool:
        """Whether `account` may see this account's data: it is the same account or is in the same organization."""
        return account == self.account or (bool(organization_id) and organization_id == self.organization_id)


class Record(NamedTuple):
    """A refused request with its authorization decisions."""

    authorization_id: str
    at: float
    region: str
    decisions: tuple[RecordedDecision, ...]
    """All authorization decisions of the request in order. The last decision is the denial."""
    owners: Mapping[str, Owner]
    """Maps an account id to the account. Contains the caller's account and the account of each resource."""

    @property
    def caller(self) -> Owner:
        """The refused principal's account."""
        return self.owners[self.decisions[-1].decision.request.principal.account]


class AuthorizationRecords:
    """The latest refused requests that have authorization ids."""

    def __init__(self, organizations: Organizations) -> None:
        self.services: frozenset[str] = frozenset()
        """The services whose refusals get authorization ids; `all` means every service."""
        self._organizations = organizations
        self._records: OrderedDict[str, Record] = OrderedDict()

    def note(self, service: str, region: str, decisions: Sequence[RecordedDecision]) -> str:
        """Record a refused request and return its authorization id, or "" without an id.

        A caller without an account gets no id, and a service that is not in `services` returns no ids.
        """
        if not decisions or decisions[-1].decision.is_allowed or not self.services & {service, EVERY_SERVICE}:
            return ""
        principal = decisions[-1].decision.request.principal
        if not principal.account:
            return ""
        accounts = {principal.account, *(entry.decision.request.resource_account for entry in decisions)}
        record = Record(new_id(), decisions[-1].at, region, tuple(decisions), self._owners(accounts))
        self._records[record.authorization_id] = record
        if len(self._records) > _KEPT:
            self._records.popitem(last=False)
        return record.authorization_id

    def find(self, authorization_id: str, region: str, now: float) -> Record | None:
        """Return the record with that id if it was made in this region within the last 24 hours."""
        record = self._records.get(authorization_id)
        return record if record is not None and record.region == region and now < record.at + _SECONDS else None

    def owner(self, account: str) -> Owner:
        """Return an account with its current position in its organization."""
        membership = self._organizations.membership(account) if account else None
        if membership is None:
            return Owner(account, "", ())
        return Owner(account, membership.organization_id, self._organizations.node_arns(account))

    def _owners(self, accounts: Iterable[str]) -> dict[str, Owner]:
        return {account: self.owner(account) for account in accounts}


def new_id() -> str:
    """Return a random authorization id that can't be guessed."""
    number = int.from_bytes(os.urandom(16), "big")
    digits = []
    for _ in range(_LENGTH):
        number, digit = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return "".join(digits)


def with_id(message: str, authorization_id: str, region: str, partition: str) -> str:
    """Append AWS's text about the authorization id to an error message."""
    console = _CONSOLES.get(partition, _CONSOLE)
    link = f"https://{region}.{console}/iam/home?region={region}#/authorization-details/{authorization_id}"
    return (
        f"{message}. Go to {link} for complete details, or call the GetRequestAuthorizationDetails API with the "
        f"following authorization id: {authorization_id}"
    )
