"""The calls so far, each in the trail of its account: the last ones in memory, and all in a folder where one is named.

Records are kept as bytes: as objects ten thousand of them took 21 MB instead of 9.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

from dsops.arn import parse_arn
from dsops.errors import SandboxRefusal
from dsops.sandbox.authorization.request import StsRequest
from dsops.sandbox.cloudtrail.data_events import is_data_event
from dsops.sandbox.cloudtrail.event_record import id_of, packed, record_of, unpacked
from dsops.sandbox.cloudtrail.trail import EventTrail
from dsops.sandbox.http.messages import HttpAnswer, HttpRequest
from dsops.sandbox.wire.responses import Value
from dsops.sandbox.wire.route import Route

_MOST = 2**31
"""More than any machine holds; a deque takes no number of any size."""


class Events:
    """The last calls, oldest first."""

    def __init__(self, kept: int) -> None:
        self._records: deque[bytes] = deque(maxlen=min(kept, _MOST))
        self.added = 0
        """How many records there have been, those that are gone included."""
        self.trail: EventTrail | None = None
        """The folder into which all of them go as well."""
        self.watch: Callable[[StsRequest, Mapping[str, Value], str], None] | None = None
        """Is told of each call: what came of it, and the code of its error."""

    def add(
        self,
        request: HttpRequest,
        route: Route,
        turn: StsRequest,
        result: Mapping[str, Value],
        refused: SandboxRefusal | None,
        answer: HttpAnswer | None = None,
    ) -> None:
        """Keeps what is to be known of a call; `answer` is where moto's own refusals are read."""
        if is_data_event(route.service, turn.operation):
            # The history that AWS keeps by itself has none of them; a trail has, when it is told to.
            if self.trail is not None and self.trail.has_data_events:
                record = record_of(request, route, turn, result, refused, answer)
                self.trail.add(packed(record, turn.caller.account), turn.caller.account, str(record["awsRegion"]))
            return
        record = record_of(request, route, turn, result, refused, answer)
        if self.watch is not None:
            self.watch(turn, result, str(record.get("errorCode", "")))
        caller = turn.caller
        role = parse_arn(turn.text("RoleArn")) if turn.operation.startswith("AssumeRole") else None
        recipient = caller.account or owner_of_role(turn)
        if role is None or "errorCode" in record or role.account == recipient:
            self.keep(record, recipient)
            return
        # A refused call is the caller's business alone: the role's account is told of sessions only.
        record["sharedEventID"] = id_of(f"{turn.request_id} shared")
        self.keep(record, recipient)
        stranger = {"type": "AWSAccount", "principalId": caller.user_id, "accountId": caller.account}
        self.keep(record | {"userIdentity": stranger}, role.account)

    def records(self, after: int = 0, account: str = "", last: int = 0) -> Iterator[dict[str, Any]]:
        """CloudTrail's records, oldest first: those after that many of `added`, in one account's trail or in all.

        With `last` only so many of them, the newest; what is older is not even unpacked.
        """
        kept = list(self._records)
        gone = self.added - len(kept)
        # More than there were: whoever asks has seen another sandbox on this port.
        start = max(0, after - gone) if after <= self.added else 0
        found: list[dict[str, Any]] = []
        for text in islice(reversed(kept), max(0, len(kept) - start)):
            record = unpacked(text)
            if not account or record["recipientAccountId"] == account:
                found.append(record)
                if len(found) == last:
                    break
        yield from reversed(found)

    def keep(self, record: Mapping[str, object], recipient: str) -> None:
        """Adds a record as it is, but for its id, to the trail of an account."""
        kept = packed(record, recipient)
        self._records.append(kept)
        self.added += 1
        if self.trail is not None:
            self.trail.add(kept, recipient, str(record["awsRegion"]))


def owner_of_role(turn: StsRequest) -> str:
    """Whose trail has an unsigned call: the account's of the role that it asks for."""
    role = parse_arn(turn.text("RoleArn"))
    return "" if role is None else role.account
