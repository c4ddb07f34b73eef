"""Refused requests under authorization ids, kept for the IAM Toolbox as long as AWS keeps them.

IAM User Guide, "Troubleshoot access denied error messages with authorization ID (Preview)": the text appended to
AWS's message, 24 hours, one region, and who may look. AWS returns ids for most of IAM so far; the seed decides for
which services.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from dsops.sandbox.authorization.authorizer import RecordedDecision
from dsops.sandbox.state.organizations import Organizations
from dsops.sandbox.wire.models import EVERY_SERVICE

_KEPT: Final = 1000
_SECONDS: Final = 24 * 3600
_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_LENGTH: Final = 25
"""Length of an id as AWS returns it; its model allows up to 256 characters."""
_CONSOLES: Final = {"aws-cn": "console.amazonaws.cn", "aws-us-gov": "console.amazonaws-us-gov.com"}
_CONSOLE: Final = "console.aws.amazon.com"


class Owner(NamedTuple):
    """The owner of an account at the time of the refusal."""

    account: str
    organization_id: str
    """Empty for an account in no organization."""
    nodes: tuple[str, ...]
    """ARNs of the root, the organizational units and the account."""

    def lets(self, account: str, organization_id: str) -> bool:
        """Whether a caller of `account` may see this account's data: members see their whole organization."""
        return account == self.account or (bool(organization_id) and organization_id == self.organization_id)


class Record(NamedTuple):
    """A refused request."""

    authorization_id: str
    at: float
    region: str
    decisions: tuple[RecordedDecision, ...]
    """All authorization questions of the request in order; the last one was denied."""
    owners: Mapping[str, Owner]
    """By account: the caller's and that of each resource."""

    @property
    def caller(self) -> Owner:
        """The owner of the refused principal."""
        return self.owners[self.decisions[-1].decision.request.principal.account]


class AuthorizationRecords:
    """The latest refusals that have ids."""

    def __init__(self, organizations: Organizations) -> None:
        self.services: frozenset[str] = frozenset()
        """Services whose refusals get ids; `all` for every service."""
        self._organizations = organizations
        self._records: OrderedDict[str, Record] = OrderedDict()

    def note(self, service: str, region: str, decisions: Sequence[RecordedDecision]) -> str:
        """Record a refused request and return its id; "" for callers without an account and services without ids."""
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
        """Return the record with that id, within a day and in the region of the refusal."""
        record = self._records.get(authorization_id)
        return record if record is not None and record.region == region and now < record.at + _SECONDS else None

    def owner(self, account: str) -> Owner:
        """Return the owner of the account at this moment."""
        membership = self._organizations.membership(account) if account else None
        if membership is None:
            return Owner(account, "", ())
        return Owner(account, membership.organization_id, self._organizations.node_arns(account))

    def _owners(self, accounts: Iterable[str]) -> dict[str, Owner]:
        return {account: self.owner(account) for account in accounts}


def new_id() -> str:
    """Return a random id that can't be guessed."""
    number = int.from_bytes(os.urandom(16), "big")
    digits = []
    for _ in range(_LENGTH):
        number, digit = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return "".join(digits)


def with_id(message: str, authorization_id: str, region: str, partition: str) -> str:
    """Append AWS's text about the authorization id to a message."""
    console = _CONSOLES.get(partition, _CONSOLE)
    link = f"https://{region}.{console}/iam/home?region={region}#/authorization-details/{authorization_id}"
    return (
        f"{message}. Go to {link} for complete details, or call the GetRequestAuthorizationDetails API with the "
        f"following authorization id: {authorization_id}"
    )
