"""The CloudTrail records of all accounts: the newest stay in memory, and all go to a folder if one is set.

Calls are kept as serialized bytes, and their records are built when they are read. Ten thousand calls take 6 MB;
serialized records took 9 MB, and records as objects 21 MB.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

from dsops.arn import parse_arn
from dsops.errors import SandboxRefusal
from dsops.request.messages import HttpAnswer, HttpRequest
from dsops.request.wire.responses import Value
from dsops.request.wire.route import Route
from dsops.sandbox.authorization.request import AuthenticatedRequest
from dsops.sandbox.cloudtrail.data_events import is_data_event
from dsops.sandbox.cloudtrail.event_record import call_of, id_of, packed, unpacked
from dsops.sandbox.cloudtrail.trail import EventTrail

_MOST = 2**31
"""Upper limit for `most_records`: more than any machine can store, but within a C integer, as a deque requires."""


class Events:
    """The newest records, oldest first."""

    def __init__(self, most_records: int) -> None:
        self._records: deque[bytes] = deque(maxlen=min(most_records, _MOST))
        self.added = 0
        """The number of records added so far, including dropped ones."""
        self.trail: EventTrail | None = None
        """The folder that receives all records, if one is set."""
        self.watch: Callable[[AuthenticatedRequest, Mapping[str, Value], str], None] | None = None
        """A callback that receives each call with its result and error code."""

    def add(
        self,
        request: HttpRequest,
        route: Route,
        turn: AuthenticatedRequest,
        result: Mapping[str, Value],
        refused: SandboxRefusal | None,
        answer: HttpAnswer | None = None,
        recipient: str = "",
    ) -> None:
        """Record a call. `answer` is moto's response, from which the error of a failed call is read.

        `recipient` is the account whose trail has a service's data event; otherwise it is the caller's account.
        """
        if is_data_event(route.service, turn.operation):
            # AWS's default event history has no data events; a trail has them if configured.
            if self.trail is not None and self.trail.has_data_events:
                call = call_of(request, route, turn, result, refused, answer, recipient or turn.caller.account)
                self.trail.add(packed(call), call.recipient, call.trail_region)
            return
        caller = turn.caller
        recipient = caller.account or owner_of_role(turn)
        call = call_of(request, route, turn, result, refused, answer, recipient)
        if self.watch is not None:
            self.watch(turn, result, str(call.error.get("errorCode", "")))
        role = parse_arn(turn.text("RoleArn")) if turn.operation.startswith("AssumeRole") else None
        if role is None or call.error or role.account == recipient:
            self._keep(packed(call), recipient, call.trail_region)
            return
        # Only the caller's account records a denied call; the role's account records issued sessions only.
        call = call._replace(shared_id=id_of(f"{turn.request_id} shared"))
        self._keep(packed(call), recipient, call.trail_region)
        stranger = {"type": "AWSAccount", "principalId": caller.user_id, "accountId": caller.account}
        call = call._replace(identity=stranger, recipient=role.account)
        self._keep(packed(call), role.account, call.trail_region)

    def records(self, after: int = 0, account: str = "", last: int = 0) -> Iterator[dict[str, Any]]:
        """Yield the records after the first `after` records, oldest first, for one account or all accounts.

        With `last`, only the newest `last` records are deserialized and yielded.
        """
        packed_records = list(self._records)
        dropped = self.added - len(packed_records)
        # If `after` exceeds the number of records, `after` comes from an earlier sandbox on this port, so start over.
        start = max(0, after - dropped) if after <= self.added else 0
        newest: list[dict[str, Any]] = []
        for text in islice(reversed(packed_records), max(0, len(packed_records) - start)):
            record = unpacked(text)
            if not account or record["recipientAccountId"] == account:
                newest.append(record)
                if len(newest) == last:
                    break
        yield from reversed(newest)

    def keep(self, record: Mapping[str, object], recipient: str) -> None:
        """Add a record to the trail of the recipient account. The event id is derived from that account."""
        self._keep(packed({**record, "recipientAccountId": recipient}), recipient, str(record["awsRegion"]))

    def _keep(self, data: bytes, recipient: str, region: str) -> None:
        self._records.append(data)
        self.added += 1
        if self.trail is not None:
            self.trail.add(data, recipient, region)


def owner_of_role(turn: AuthenticatedRequest) -> str:
    """Return the account whose trail records an unsigned call: the account of the requested role."""
    role = parse_arn(turn.text("RoleArn"))
    return "" if role is None else role.account
