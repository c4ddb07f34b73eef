"""What the command line and its agent say to each other, besides the command lines of users."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from dsops.cache import CachedSession
from dsops.cli.framework.command import CONFIG, ENVIRONMENT, REASON, Arguments, Command, Flag, Operand
from dsops.credentials import Credentials
from dsops.pipeline.journal import LazyJournal
from dsops.runtime import Journal, Runtime
from dsops.secret import Secret

MIN_TTL = Flag("--min-ttl", "", "seconds")
ALSO = Flag("--also", "")
"""A store whose session goes along with the secrets."""
FOR = Flag("--for", "")
"""The environment that the session is used by, where a policy of its own depends on that."""
LASTS = Flag("--lasts", "", "switch")
"""The session will be renewed, without a person."""
BY = Flag("--by", "")
"""The command that asks, for the audit trail: `get`."""
FOR_PROFILE = Flag("--for-profile", "")
"""The profile that names the file, which may have changed since: then it has to be allowed."""
HOOK = "hook-load"
"""The command of a shell's hook, whose permission is one of its own."""
RUN = Flag("--run", "")
"""The run that it is, as the trail has it."""


def _nothing(_arguments: Arguments, _runtime: Runtime) -> int:
    return 0


SECRETS = Command(
    "",
    _nothing,
    (CONFIG, ENVIRONMENT, MIN_TTL, ALSO, LASTS, BY, RUN, REASON),
    (Operand("VARIABLE", "", is_required=False),),
)
"""The values of an environment, or of one variable."""
SESSION = Command("", _nothing, (CONFIG, MIN_TTL, LASTS, FOR, FOR_PROFILE, BY, RUN, REASON), (Operand("STORE", ""),))
"""The session of a store."""


_ANSWERED = {None: b"", False: b"aws", True: b"sandbox"}


def with_who_answered(journal: LazyJournal, fields: list[bytes]) -> list[bytes]:
    """The fields of an answer, behind one that says who answered the run's calls: its own line is the client's."""
    return [_ANSWERED[journal.is_of_sandbox], *fields]


def take_who_answered(journal: Journal | None, fields: Sequence[bytes]) -> Sequence[bytes]:
    """The fields again, without that one, which the journal notes."""
    if journal is not None and fields[0]:
        journal.answered_by(is_sandbox=fields[0] == _ANSWERED[True])
    return fields[1:]


def credentials_fields(credentials: Credentials) -> list[bytes]:
    """One snapshot, for the wire."""
    token = credentials.session_token
    times = [credentials.expiration, credentials.issued_at]
    return [
        credentials.access_key_id.encode(),
        credentials.secret_access_key.reveal_bytes(),
        token.reveal_bytes() if token else b"",
        credentials.arn.encode(),
        os.fsencode(credentials.source),
        *[each.astimezone(UTC).isoformat().encode() if each else b"" for each in times],
    ]


def credentials_of(fields: Sequence[bytes]) -> Credentials:
    """The snapshot again."""
    key_id, secret, token, arn, source, expiration, issued_at = fields
    return Credentials(
        key_id.decode(),
        Secret.from_bytes(secret),
        Secret.from_bytes(token) if token else None,
        _time(expiration),
        issued_at=_time(issued_at),
        arn=arn.decode(),
        source=os.fsdecode(source),
    )


def secrets_fields(secrets: Mapping[str, Secret]) -> list[bytes]:
    """Names and values in turn, for the wire."""
    return [part for name, value in secrets.items() for part in (os.fsencode(name), value.reveal_bytes())]


def secrets_of(fields: Sequence[bytes]) -> dict[str, Secret]:
    """Names and values, which came in turn."""
    return {os.fsdecode(name): Secret.from_bytes(value) for name, value in zip(fields[::2], fields[1::2], strict=True)}


def session_fields(held: CachedSession, now: datetime) -> bytes:
    """A session for `dsops agent status`: nothing that is secret."""
    credentials = held.credentials
    return json.dumps(
        {
            "store": held.store or None,
            "hop": held.hop,
            "key_id": credentials.masked_key_id,
            "arn": credentials.arn or None,
            "expiration": credentials.expiration_text or None,
            "seconds_left": int(credentials.seconds_left(now)) if credentials.expiration else None,
            "uses": held.uses,
            "is_of_sandbox": credentials.is_of_sandbox,
        }
    ).encode()


def _time(text: bytes) -> datetime | None:
    return datetime.fromisoformat(text.decode()) if text else None
