"""`dsops audit --follow`: events as they come, until Ctrl-C, or until nobody reads any more."""

from __future__ import annotations

import select
from collections.abc import Callable, Iterator
from typing import NoReturn

from dsops.audit.chain import record_in
from dsops.audit.following import Position, end_of, look
from dsops.audit.reading import find_trail
from dsops.cli.audit.records import Record, RecordFilter, json_line, last_records, row_of
from dsops.cli.framework.output import answer
from dsops.text import clean

LOOK_SECONDS = 0.2
"""How often the file is looked at."""

_GONE = select.POLLERR | select.POLLHUP | select.POLLNVAL


def follow(path: str, most: int, wanted: RecordFilter, *, as_json: bool) -> NoReturn:
    """The last events, then what comes. Raises BrokenPipeError once nobody reads."""
    position = end_of(path)
    for record in last_records(find_trail(path).files, most, wanted, until=position.number).records:
        tell(record, as_json=as_json)
    for record in records_after(path, position, _wait):
        if wanted.has(record):
            tell(record, as_json=as_json)
    raise AssertionError("what comes has no end")


def records_after(path: str, position: Position, wait: Callable[[], None]) -> Iterator[Record]:
    """Each record that comes behind that place; `wait` is called where there is nothing new."""
    while True:
        found = look(path, position)
        position = found.position
        for line in found.lines:
            record = record_in(line)
            if record is not None:
                yield record
        if not found.lines:
            wait()


def tell(record: Record, *, as_json: bool) -> None:
    """Puts an event on stdout, on one line."""
    answer(json_line(record) if as_json else clean("  ".join([cell for cell in row_of(record) if cell])))


def _wait() -> None:
    """Until the next look; a reader that leaves ends it at once."""
    poll = select.poll()
    poll.register(1, 0)  # errors are told without being asked for
    if any(events & _GONE for _, events in poll.poll(LOOK_SECONDS * 1000)):
        raise BrokenPipeError
