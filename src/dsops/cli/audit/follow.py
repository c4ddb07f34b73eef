"""`dsops audit --follow`: print events as they are recorded, until Ctrl-C or until stdout is closed."""

from __future__ import annotations

import select
from typing import NoReturn

from dsops.audit.following import end_of, records_after
from dsops.audit.reading import find_trail
from dsops.audit.record_filter import Record, RecordFilter, last_records
from dsops.cli.audit.records import json_line, row_of
from dsops.cli.framework.output import answer
from dsops.text import clean

LOOK_SECONDS = 0.2
"""The pause between two reads of the trail, in seconds."""

_GONE = select.POLLERR | select.POLLHUP | select.POLLNVAL


def follow(path: str, most: int, record_filter: RecordFilter, *, as_json: bool) -> NoReturn:
    """Print the last `most` events, then each new one. Raises BrokenPipeError once stdout is closed."""
    position = end_of(path)
    for record in last_records(find_trail(path).files, most, record_filter, until=position.number).records:
        tell(record, as_json=as_json)
    for record in records_after(path, position, _wait):
        if record_filter.has(record):
            tell(record, as_json=as_json)
    raise AssertionError("the records have no end")


def tell(record: Record, *, as_json: bool) -> None:
    """Print an event on one line of stdout."""
    answer(json_line(record) if as_json else clean("  ".join([cell for cell in row_of(record) if cell])))


def _wait() -> None:
    """Pause until the next read of the trail. Raises BrokenPipeError once the reader of stdout has closed it."""
    poll = select.poll()
    poll.register(1, 0)  # poll(2) reports errors even if no event is requested.
    if any(events & _GONE for _, events in poll.poll(LOOK_SECONDS * 1000)):
        raise BrokenPipeError
