"""Encodes the content of frames: requests, secrets, sessions, and whether AWS or a sandbox answered the calls.

Client and agent are of the same dsops version (`client.stamp`), so fields have no names and no versions.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from dsops.cache import CachedSession
from dsops.config.allow import files_of, listing
from dsops.credentials import Credentials, SandboxRun
from dsops.model import ReadFiles
from dsops.pipeline.journal import LazyJournal
from dsops.runtime import Journal
from dsops.secret import Secret
from dsops.startup import NamedTuple


class PipelineRequest(NamedTuple):
    """What a command needs from the pipeline, in this process or in the agent."""

    command: str
    """The command's name in the audit trail: `get`."""
    config: str = ""
    """The value of `--config`."""
    profile: str = ""
    """The AWS profile that contains the name of the configuration file.

    The file may have changed since the profile was written, so the user must have allowed it.
    """
    environment: str = ""
    variable: str = ""
    """The only variable to fetch; "" for all."""
    store: str = ""
    """The store whose session is needed, alone or together with the secrets."""
    lasts: bool = False
    """Whether the session will be renewed later, at a time when dsops can't ask the user."""
    min_ttl_seconds: float | None = None
    reason: str = ""
    run: str = ""
    """The id of the client's run, if the client itself records the outcome; "" if the agent records it."""
    read: ReadFiles = ReadFiles()
    """The files of the client's plan. Without a digest, the client has made no plan."""


def request_fields(request: PipelineRequest) -> list[bytes]:
    """Encode the request."""
    texts = [
        request.command,
        request.config,
        request.profile,
        request.environment,
        request.variable,
        request.store,
        "1" if request.lasts else "",
        "" if request.min_ttl_seconds is None else repr(request.min_ttl_seconds),
        request.reason,
        request.run,
        request.read.digest,
        listing(request.read.left_out),
    ]
    return [os.fsencode(text) for text in texts]


def request_of(fields: Sequence[bytes]) -> PipelineRequest:
    """Decode the request. Raises ValueError for fields that `request_fields` can't have made."""
    command, config, profile, environment, variable, store, lasts, min_ttl_seconds, reason, run, digest, left_out = [
        os.fsdecode(field) for field in fields
    ]
    return PipelineRequest(
        command,
        config,
        profile,
        environment,
        variable,
        store,
        lasts == "1",
        float(min_ttl_seconds) if min_ttl_seconds else None,
        reason,
        run,
        ReadFiles(digest, files_of(left_out)),
    )


_CACHED = 10
"""The number of fields of a cached session: step, sandbox, and the fields of `credentials_fields`."""

_ANSWERED = {None: b"", False: b"aws", True: b"sandbox"}


def with_who_answered(journal: LazyJournal, fields: list[bytes]) -> list[bytes]:
    """Prepend a field that says whether AWS or a sandbox answered the calls, so that the client can record it."""
    return [_ANSWERED[journal.is_of_sandbox], *fields]


def take_who_answered(journal: Journal | None, fields: Sequence[bytes]) -> Sequence[bytes]:
    """Remove the field that `with_who_answered` prepended, and pass its value to the journal.

    Raises ValueError without that field.
    """
    who_answered, *rest = fields
    if journal is not None and who_answered:
        journal.answered_by(is_sandbox=who_answered == _ANSWERED[True])
    return rest


def credentials_fields(credentials: Credentials) -> list[bytes]:
    """Encode a session."""
    token = credentials.session_token
    times = [credentials.expiration, credentials.issued_at]
    return [
        credentials.access_key_id.encode(),
        credentials.secret_access_key.reveal_bytes(),
        token.reveal_bytes() if token else b"",
        credentials.arn.encode(),
        os.fsencode(credentials.source),
        *[time.astimezone(UTC).isoformat().encode() if time else b"" for time in times],
    ]


def credentials_of(fields: Sequence[bytes]) -> Credentials:
    """Decode a session. Raises ValueError for other fields."""
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


def cached_fields(sessions: Mapping[str, Credentials]) -> list[bytes]:
    """Encode cached sessions by step, each with the sandbox that issued it."""
    return [
        field
        for name, session in sessions.items()
        for field in (
            os.fsencode(name),
            *[text.encode() for text in session.sandbox or ("", "")],
            *credentials_fields(session),
        )
    ]


def cached_of(fields: Sequence[bytes]) -> dict[str, Credentials]:
    """Decode cached sessions. Raises ValueError for other fields."""
    sessions = {}
    for start in range(0, len(fields), _CACHED):
        name, url, server, *session = fields[start : start + _CACHED]
        credentials, sandbox = credentials_of(session), SandboxRun(url.decode(), server.decode()) if url else None
        sessions[os.fsdecode(name)] = credentials.from_source(credentials.source, sandbox=sandbox)
    return sessions


def secrets_fields(secrets: Mapping[str, Secret]) -> list[bytes]:
    """Encode secrets: names and values alternate."""
    return [part for name, value in secrets.items() for part in (os.fsencode(name), value.reveal_bytes())]


def secrets_of(fields: Sequence[bytes]) -> dict[str, Secret]:
    """Decode secrets. Raises ValueError for an odd number of fields."""
    return {os.fsdecode(name): Secret.from_bytes(value) for name, value in zip(fields[::2], fields[1::2], strict=True)}


def session_fields(session: CachedSession, now: datetime) -> bytes:
    """Encode a cached session for `dsops agent status`, as JSON without its secret parts."""
    credentials = session.credentials
    return json.dumps(
        {
            "store": session.store or None,
            "hop": session.hop,
            "key_id": credentials.masked_key_id,
            "arn": credentials.arn or None,
            "source": credentials.source or None,
            "expiration": credentials.expiration_text or None,
            "seconds_left": int(credentials.seconds_left(now)) if credentials.expiration else None,
            "uses": session.uses,
            "is_of_sandbox": credentials.is_of_sandbox,
        }
    ).encode()


def _time(text: bytes) -> datetime | None:
    return datetime.fromisoformat(text.decode()) if text else None
