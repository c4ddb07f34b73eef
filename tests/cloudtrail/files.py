"""Writes records into log files and folders as CloudTrail delivers them."""

from __future__ import annotations

import gzip
import os
import random
from datetime import UTC, datetime
from typing import Final

# Python's default level (9) takes four times as long.
_LEVEL: Final = 4
_DAY: Final = 86400
ODD_FOLDER: Final = "it's a [copy] of *old* logs, 100%, <b>gr\u00fc\u00df</b>"
"""A folder that contains some files of a dirty folder: a path may contain all of these characters."""


class Files:
    """The records of one part of the month that are still to be written."""

    def __init__(self, folder: str, chance: random.Random, span: tuple[int, int], slots: int) -> None:
        """Divide `span` into `slots` files per account and region; records after it go into files by day."""
        self.records = 0
        self.skipped = 0
        self.count = 0
        self._folder = folder
        self._chance = chance
        self._first, self._after = span
        self._seconds = max(1, -(-(self._after - self._first) // slots))
        self._garbage: set[str] = set()
        self._once: set[tuple[int, str, str]] = set()
        self._waiting: dict[tuple[int, str, str], list[str]] = {}

    def add(
        self, account: str, region: str, time: int, text: str, *, is_record: bool = True, is_single: bool = False
    ) -> None:
        """Add a record, or garbage in its place; a file with an `is_single` record is not delivered twice."""
        if self._first <= time < self._after:
            end = min(self._after, time + self._seconds - (time - self._first) % self._seconds)
        else:
            end = time + _DAY - 1 - time % _DAY
        self._waiting.setdefault((end, account, region), []).append(text)
        if is_single:
            self._once.add((end, account, region))
        self.records += is_record
        self.skipped += not is_record
        if not is_record:
            self._garbage.add(text)

    def write(self, *, is_dirty: bool) -> None:
        """Write all files; if `is_dirty`, some are delivered twice and their records are unordered."""
        for (end, account, region), texts in sorted(self._waiting.items()):
            if is_dirty:
                self._chance.shuffle(texts)
            whole = f'{{"Records":[{",".join(texts)}]}}'
            data = compressed(whole)
            if not is_dirty or self._chance.random() < 0.94:
                self.deliver(account, region, end, data)
            elif self._chance.random() < 0.5:
                self.deliver(account, region, end, whole.encode(), ending=".json")
            else:
                self.deliver(account, region, end, data, above=f"{ODD_FOLDER}/")
            if is_dirty and self._chance.random() < 0.03 and (end, account, region) not in self._once:
                self.deliver(account, region, end, data)
                garbage = sum(text in self._garbage for text in texts)
                self.skipped += garbage
                self.records += len(texts) - garbage
        self._waiting.clear()
        self._once.clear()

    def deliver(
        self, account: str, region: str, time: int, data: bytes, *, above: str = "", ending: str = ".json.gz"
    ) -> None:
        """Write one file."""
        moment = datetime.fromtimestamp(time, UTC)
        unique = "".join(self._chance.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", k=16))
        name = f"{account}_CloudTrail_{region}_{moment:%Y%m%dT%H%M}Z_{unique}{ending}"
        put(self._folder, f"{above}AWSLogs/{account}/CloudTrail/{region}/{moment:%Y/%m/%d}/{name}", data)
        self.count += 1


def compressed(text: str) -> bytes:
    """Compress the text deterministically: the same text gives the same bytes."""
    return gzip.compress(text.encode(), _LEVEL, mtime=0)


def put(folder: str, path: str, data: bytes) -> None:
    """Write a file and create its folders."""
    whole = os.path.join(folder, path)
    os.makedirs(os.path.dirname(whole), exist_ok=True)
    with open(whole, "wb") as file:
        file.write(data)
