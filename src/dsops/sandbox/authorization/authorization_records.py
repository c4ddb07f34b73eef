"""Refusals under authorization ids: kept for whoever asks the IAM Toolbox what was weighed, in AWS's own time.

IAM User Guide, "Troubleshoot access denied error messages with authorization ID (Preview)": the text behind AWS's
sentence, 24 hours, one region, and who may look. AWS hands ids out for most of IAM so far; the seed says for what.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from dsops.sandbox.authorization.authorize import Kept
from dsops.sandbox.state.organizations import Organizations
from dsops.sandbox.wire.models import EVERY_SERVICE

_KEPT: Final = 1000
_SECONDS: Final = 24 * 3600
_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_LENGTH: Final = 25
"""Characters of an id that AWS gave out; its model takes up to 256."""
_CONSOLES: Final = {"aws-cn": "console.amazonaws.cn", "aws-us-gov": "console.amazonaws-us-gov.com"}
_CONSOLE: Final = "console.aws.amazon.com"


class Owner(NamedTuple):
    """Whose an account was when the request was refused."""

    account: str
    organization_id: str
    """Empty for an account in none."""
    nodes: tuple[str, ...]
    """ARNs: root, organizational units, account."""

    def lets(self, account: str, organization_id: str) -> bool:
        """Whether a caller of that account sees what is this one's: an organization looks into all of itself."""
        return account == self.account or (bool(organization_id) and organization_id == self.organization_id)


class Record(NamedTuple):
    """A refused request."""

    authorization_id: str
    at: float
    region: str
    decisions: tuple[Kept, ...]
    """All questions of it, in order; the last is the one that was refused."""
    owners: Mapping[str, Owner]
    """By account: of the caller, and of each resource."""

    @property
    def caller(self) -> Owner:
        """Whose principal was refused."""
        return self.owners[self.decisions[-1].decision.request.principal.account]


class AuthorizationRecords:
    """The last refusals that have ids."""

    def __init__(self, organizations: Organizations) -> None:
        self.services: frozenset[str] = frozenset()
        """Whose refusals have ids; `all` for everything."""
        self._organizations = organizations
        self._records: OrderedDict[str, Record] = OrderedDict()

    def note(self, service: str, region: str, decisions: Sequence[Kept]) -> str:
        """The id of a refused request; "" where none is handed out: to nobody's account, or for that service."""
        if not decisions or decisions[-1].decision.is_allowed or not self.services & {service, EVERY_SERVICE}:
            return ""
        principal = decisions[-1].decision.request.principal
        if not principal.account:
            return ""
        accounts = {principal.account, *(kept.decision.request.resource_account for kept in decisions)}
        record = Record(new_id(), decisions[-1].at, region, tuple(decisions), self._owners(accounts))
        self._records[record.authorization_id] = record
        if len(self._records) > _KEPT:
            self._records.popitem(last=False)
        return record.authorization_id

    def find(self, authorization_id: str, region: str, now: float) -> Record | None:
        """The record of that id, in the region of the refusal and for a day."""
        found = self._records.get(authorization_id)
        return found if found is not None and found.region == region and now < found.at + _SECONDS else None

    def owner(self, account: str) -> Owner:
        """Whose that account is now."""
        membership = self._organizations.membership(account) if account else None
        if membership is None:
            return Owner(account, "", ())
        return Owner(account, membership.organization_id, self._organizations.node_arns(account))

    def _owners(self, accounts: Iterable[str]) -> dict[str, Owner]:
        return {account: self.owner(account) for account in accounts}


def new_id() -> str:
    """An id that nobody guesses."""
    number = int.from_bytes(os.urandom(16), "big")
    digits = []
    for _ in range(_LENGTH):
        number, digit = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return "".join(digits)


def with_id(message: str, authorization_id: str, region: str, partition: str) -> str:
    """AWS's sentence and what it says of the id behind it."""
    console = _CONSOLES.get(partition, _CONSOLE)
    link = f"https://{region}.{console}/iam/home?region={region}#/authorization-details/{authorization_id}"
    return (
        f"{message}. Go to {link} for complete details, or call the GetRequestAuthorizationDetails API with the "
        f"following authorization id: {authorization_id}"
    )
