"""Generates CloudTrail logs of any size, with answers to all questions known by construction.

A month of a company is divided into shifts, which are generated independently on all cores. Each shift adds its calls
to a tally; the merged tallies give the answers without reading a file.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from typing import Any, Final, NamedTuple

from tests.cloudtrail.answers import Answers
from tests.cloudtrail.columns import Row, columns_of, spoken
from tests.cloudtrail.company import Company
from tests.cloudtrail.crew import Span
from tests.cloudtrail.desk import Desk
from tests.cloudtrail.files import Files
from tests.cloudtrail.leftovers import Left, damage, own_trail
from tests.cloudtrail.pieces import WATCHED
from tests.cloudtrail.shift import Shift
from tests.cloudtrail.tally import Tally

START: Final = int(datetime(2026, 10, 1, tzinfo=UTC).timestamp())
END: Final = int(datetime(2026, 10, 31, 23, 59, 59, tzinfo=UTC).timestamp())
"""The time of the last call."""
LEAST: Final = 2500
"""The minimum number of calls, so that a shift has room for its scenes."""
_SHIFTS: Final = 31
_SHIFT_CALLS: Final = 50_000
_PLACES: Final = 16
"""The number of account and region pairs, each of which has its own files."""


class Made(NamedTuple):
    """The result of generating one shift."""

    tally: Tally
    records: int
    skipped: int
    files: int


class Order(NamedTuple):
    """All inputs of one shift."""

    folder: str
    seed: int
    span: Span
    since: int
    is_dirty: bool
    file_records: int


def generate(
    folder: str | os.PathLike[str],
    *,
    events: int,
    seed: int,
    since: datetime | None = None,
    is_dirty: bool = False,
    has_own_trail: bool = False,
    file_records: int = 400,
    processes: int = 1,
) -> dict[str, Any]:
    """Write this many calls into a folder and return the known answers; the files do not depend on `since`.

    The answers are a tree for JSON: `counts`, `unreadable` paths, `boundary`, `answers` (question -> columns and
    rows) and `histories` (session -> columns and rows). dsops' own trail and a dirty folder's large file add a few
    calls. A file has about `file_records` records: with 1, there are nearly as many files as calls.
    """
    if events < LEAST:
        raise ValueError(f"at least {LEAST} events make a month")
    if os.path.exists(os.path.join(folder, "AWSLogs")):
        raise ValueError("there are logs already, of which nothing is known")
    if since is not None and since.tzinfo is None:
        raise ValueError("`since` needs a time zone")
    from_here = 0 if since is None else int(since.timestamp())
    orders = [Order(os.fspath(folder), seed, span, from_here, is_dirty, file_records) for span in _spans(events)]
    whole = Tally(from_here or END - 86400, from_here)
    counts = {"records": 0, "skipped": 0, "files": 0}
    for made in _work(orders, processes):
        whole.merge(made.tally)
        counts = {name: count + getattr(made, name) for name, count in counts.items()}
    unreadable: list[str] = []
    for left in _leftovers(os.fspath(folder), seed, whole, is_dirty=is_dirty, has_own_trail=has_own_trail):
        counts = {name: count + getattr(left, name) for name, count in counts.items()}
        unreadable += left.unreadable
    answers = Answers(whole)
    return {
        "seed": seed,
        "since": spoken(from_here) if from_here else None,
        "boundary": spoken(whole.boundary),
        "counts": {"calls": whole.calls, **counts},
        "unreadable": unreadable,
        "answers": {name: _answer(name, rows) for name, rows in answers.all().items()},
        "histories": {name: _answer("history", rows) for name, rows in _histories(whole, answers).items()},
    }


def write(path: str | os.PathLike[str], known: Mapping[str, Any]) -> None:
    """Write the answers as JSON."""
    with open(path, "w", encoding="utf-8") as file:
        json.dump(known, file, indent=1, ensure_ascii=False)
        file.write("\n")


def make(order: Order) -> Made:
    """Generate one shift and write its files."""
    span = order.span
    chance = random.Random(f"{order.seed} {span.number}")  # noqa: S311 - the same logs each time
    company = Company(order.seed)
    files = Files(order.folder, chance, (span.start, span.end), max(1, span.calls // (order.file_records * _PLACES)))
    tally = Tally(order.since or END - 86400, order.since, [WATCHED, f"start-{span.number}"])
    desk = Desk(company, chance, tally, files, is_dirty=order.is_dirty)
    Shift(company, desk, span, chance).run()
    files.write(is_dirty=order.is_dirty)
    return Made(tally, files.records, files.skipped, files.count)


def _spans(events: int) -> list[Span]:
    """Divide the month into equal parts, each with its number of calls."""
    parts = max(_SHIFTS, -(-events // _SHIFT_CALLS))
    edges = [START + (END + 1 - START) * number // parts for number in range(parts + 1)]
    calls = [events * (number + 1) // parts - events * number // parts for number in range(parts)]
    return [
        Span(number, edges[number], edges[number + 1], calls[number], number == parts - 1, END)
        for number in range(parts)
    ]


def _work(orders: list[Order], processes: int) -> Iterator[Made]:
    """The results of all shifts, in order."""
    if processes == 1:
        yield from map(make, orders)
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield from pool.map(make, orders)


def _leftovers(folder: str, seed: int, tally: Tally, *, is_dirty: bool, has_own_trail: bool) -> Iterator[Left]:
    """Write the files beside the month's logs; yields their counts."""
    if is_dirty:
        yield damage(folder, Company(seed), tally, START)
    if has_own_trail:
        yield own_trail(folder, Company(seed), tally, START, random.Random(f"own {seed}"))  # noqa: S311 - the same each time


def _histories(tally: Tally, answers: Answers) -> dict[str, list[Row]]:
    """The histories by session name, by key id and by session ARN."""
    found = answers.histories()
    for hops in list(tally.histories.values()):
        rows = found[hops[-1].session_name]
        found |= {hops[-1].key: rows, hops[-1].arn: rows}
    return found


def _answer(name: str, rows: list[Row]) -> dict[str, Any]:
    return {"columns": columns_of(name), "rows": rows}
