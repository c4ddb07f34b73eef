"""Deliver log files to a folder in the layout of a CloudTrail trail.

https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-examples.html. Files are written under
a temporary name, so they appear only when complete. Names, dates and folders follow the sandbox's clock.
"""

from __future__ import annotations

import gzip
import os
from base64 import b32encode
from collections.abc import Callable, Container
from contextlib import suppress
from datetime import UTC, datetime
from json import JSONEncoder
from typing import Final

from dsops.arn import is_account_id
from dsops.endpoint import is_region_name
from dsops.errors import SandboxUnavailable
from dsops.sandbox.clock import MovableClock
from dsops.sandbox.cloudtrail.event_record import unpacked

DELIVERY_SECONDS: Final = 10
"""Delay of a delivery in seconds of the sandbox's time. CloudTrail takes about five minutes, too long for a test."""
_RECORDS_AT_ONCE: Final = 500
MOST_WAITING: Final = 100_000
"""Maximum number of records that wait for delivery.

Records accumulate when the disk is full, for example. Above the maximum the oldest records are dropped.
"""
# Checking records for cycles would take as long as writing them, and they have no cycles.
_encode = JSONEncoder(separators=(",", ":"), check_circular=False).encode
# Level 1 makes the files twice as large, and level 9 takes four times as long.
_GZIP_LEVEL: Final = 3
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)

Where = tuple[str, str]
"""An account and a region. Each such pair has its own log files."""


class EventTrail:
    """Undelivered records, and the folder to which they are delivered.

    Not thread-safe: callers must hold the sandbox's lock.
    """

    def __init__(
        self,
        folder: str,
        *,
        clock: MovableClock,
        accounts: Container[str],
        tell: Callable[[str], None],
        has_data_events: bool = False,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        """`accounts` are the existing accounts; `tell` reports problems to the user.

        Raises SandboxUnavailable if the folder can't be written to.
        """
        self.has_data_events = has_data_events
        self._most_waiting = most_waiting
        self._folder = os.path.abspath(folder)
        self._clock = clock
        self._accounts = accounts
        self._tell = tell
        self._waiting: dict[Where, list[bytes]] = {}
        self._count = 0
        self._deliver_at = _RECORDS_AT_ONCE
        self._since: float | None = None
        self._has_told = False
        self._lost = 0
        self._try_folder()

    @property
    def waiting(self) -> int:
        """The number of undelivered records."""
        return sum(map(len, self._waiting.values()))

    def add(self, packed: bytes, account: str, region: str) -> None:
        """Add a serialized record (`event_record.packed`) to the trail of an account.

        An unsigned request can name any account id, but only existing accounts have trails.
        """
        if not is_account_id(account) or account not in self._accounts or not is_region_name(region):
            return
        self._waiting.setdefault((account, region), []).append(packed)
        self._count += 1
        if self._since is None:
            self._since = self._clock.now()
        if self._count >= self._deliver_at:
            self.deliver()
        else:
            self.deliver_due()

    def deliver_due(self) -> None:
        """Write all records once the oldest has waited DELIVERY_SECONDS."""
        if self._since is not None and not 0 <= self._clock.now() - self._since < DELIVERY_SECONDS:
            self.deliver()

    def deliver(self) -> None:
        """Write all records now. Records that can't be written are kept for the next delivery."""
        for where, records in list(self._waiting.items()):
            try:
                self._write(where, records)
            except OSError as error:
                self._fail(error)
                break
            del self._waiting[where]
        self._count = self.waiting
        self._deliver_at = self._count + _RECORDS_AT_ONCE
        self._since = self._clock.now() if self._count else None

    def close(self) -> None:
        """Write the remaining records, and report how many could not be written."""
        self.deliver()
        lost = self._lost + self._count
        if lost:
            self._tell(f"{lost} records of the trail were not written to {self._folder}")

    def _fail(self, error: OSError) -> None:
        if not self._has_told:
            self._has_told = True
            why = (error.strerror or str(error)).lower()
            self._tell(f"the trail can't be written to {self._folder} ({why}); the sandbox continues and tries again")
        while self.waiting > self._most_waiting:
            longest = max(self._waiting, key=lambda where: len(self._waiting[where]))
            count = max(1, len(self._waiting[longest]) // 2)
            del self._waiting[longest][:count]
            self._lost += count

    def _write(self, where: Where, records: list[bytes]) -> None:
        """Write one log file with these records of an account and region."""
        account, region = where
        moment = datetime.fromtimestamp(self._clock.now(), UTC)
        folder = os.path.join(
            self._folder, "AWSLogs", account, "CloudTrail", region, f"{moment:%Y}", f"{moment:%m}", f"{moment:%d}"
        )
        _make_folder(folder)
        unique = b32encode(os.urandom(10)).decode()
        name = f"{account}_CloudTrail_{region}_{moment:%Y%m%dT%H%MZ}_{unique}.json.gz"
        # Records are encoded one at a time: encoding five hundred at once triggers Python's garbage collection.
        text = f'{{"Records":[{",".join([_encode(unpacked(data)) for data in records])}]}}'
        _write_whole(os.path.join(folder, name), gzip.compress(text.encode(), _GZIP_LEVEL, mtime=0))

    def _try_folder(self) -> None:
        """Check at start that the folder is writable.

        Raises SandboxUnavailable if it is not.
        """
        path = os.path.join(self._folder, "AWSLogs", f".{os.getpid()}.tmp")
        try:
            _make_folder(os.path.dirname(path))
            os.close(os.open(path, _FLAGS, 0o600))
            os.unlink(path)
        except OSError as error:
            raise SandboxUnavailable(
                f"the trail can't be written to the folder {self._folder}",
                why=(error.strerror or str(error)).lower(),
                hint="name a folder that you can write with `--trail`",
            ) from error


def _make_folder(path: str) -> None:
    """Create a folder and its missing parents. Only the current user gets access."""
    if os.path.isdir(path):
        return
    _make_folder(os.path.dirname(path))
    with suppress(FileExistsError):  # Another process created the folder first.
        os.mkdir(path, 0o700)


def _write_whole(path: str, content: bytes) -> None:
    """Write a file under a temporary name, then rename it."""
    folder, name = os.path.split(path)
    unfinished = os.path.join(folder, f".{name}.tmp")
    descriptor = os.open(unfinished, _FLAGS, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        os.rename(unfinished, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(unfinished)
        raise
