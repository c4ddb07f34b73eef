"""The axes of plots: round ticks for counts, bins and ticks for times."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

HOUR, DAY = 3_600, 86_400
MOST_BINS = 120
"""Maximum number of columns of a timeline. On a page 390 px wide, each column still has two pixels and a gap."""
_MOST_TICKS, _MOST_LONG_TICKS = 5, 4
"""How many labels fit below a timeline 390 px wide: short labels, and long labels with the year."""
_LONG = 300 * DAY
"""The minimum span in seconds for which labels show the year: days alone would be ambiguous."""

_STEPS = (HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY, 14 * DAY, 28 * DAY, 91 * DAY, 364 * DAY)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MONDAY = -3 * DAY
"""The start of a Monday, in seconds since 1970. 1 January 1970 was a Thursday."""


def seconds(time: datetime) -> int:
    """Return whole seconds since 1970, for any year that Python supports."""
    return (time - _EPOCH) // timedelta(seconds=1)


_YEAR_1 = seconds(datetime.min.replace(tzinfo=UTC))
_YEAR_10000 = seconds(datetime.max.replace(tzinfo=UTC))


def count_ticks(largest: int) -> list[int]:
    """Return three or four even ticks from 0 to at least `largest`, in steps of 1, 2 or 5 times a power of ten."""
    if largest <= 0:
        return [0, 1]
    step = 1
    while step * 4 < largest:
        step = next(size for size in (step * 2, step * 5 // 2, step * 5) if str(size).rstrip("0") in {"1", "2", "5"})
    return [step * index for index in range(-(-largest // step) + 1)]


class Bins(NamedTuple):
    """Equal spans of time, of which the first and the last contain at least one event."""

    start: int
    """The start of the first bin, in seconds since 1970."""
    step: int
    number: int

    @property
    def end(self) -> int:
        """The end of the last bin, in seconds since 1970."""
        return self.start + self.step * self.number

    def sums(self, values: Iterable[tuple[datetime, int]]) -> list[int]:
        """Return the sum of the values in each bin."""
        sums = [0] * self.number
        for time, value in values:
            sums[(seconds(time) - self.start) // self.step] += value
        return sums


def bins_of(times: Iterable[datetime]) -> Bins:
    """Choose the shortest spans that give few enough bins; needs at least one time."""
    all_seconds = [seconds(time) for time in times]
    first, last = min(all_seconds), max(all_seconds)
    for step in _with_doubled_steps(_STEPS):
        start = _floor(first, step)
        number = (last - start) // step + 1
        if number <= MOST_BINS:
            return Bins(start, step, number)
    raise AssertionError  # never reached, because the series of steps is infinite


def usual_span(times: Sequence[datetime]) -> tuple[datetime, datetime] | None:
    """Return the first and the last time, without outliers; None if there are no times.

    One percent of the times at each end is left out if both conditions are met:

    - The whole span is longer than 400 days.
    - The shortened span is less than a quarter of the whole span.

    Without this rule, a single record from 1970 would turn all calls into one column of a month.
    """
    if not times:
        return None
    ordered = sorted(times)
    most = len(ordered) // 100 or (1 if len(ordered) >= 10 else 0)
    whole, inner = ordered[-1] - ordered[0], ordered[-1 - most] - ordered[most]
    is_far = whole > timedelta(days=400) and inner * 4 < whole
    return (ordered[most], ordered[-1 - most]) if is_far else (ordered[0], ordered[-1])


def time_ticks(bins: Bins) -> Mapping[int, str]:
    """Map seconds since 1970 to labels: round times, few enough for a narrow screen."""
    for step in _with_doubled_steps(_STEPS):
        first = bins.start + -_aligned(bins.start, step) % step
        places = range(max(first, _YEAR_1), min(bins.end, _YEAR_10000), step)
        if step >= bins.step and len(places) <= (_MOST_TICKS if bins.end - bins.start <= _LONG else _MOST_LONG_TICKS):
            return {place: _label(place, step, bins) for place in places}
    raise AssertionError  # never reached, because the series of steps is infinite


def span_words(bins: Bins) -> str:
    """Return the days of the first and the last column: `13 Nov 2026`, `13 Nov 2026 to 20 Nov 2026`."""
    ends = [min(max(second, _YEAR_1), _YEAR_10000) for second in (bins.start, bins.end - 1)]
    first, last = (_EPOCH + timedelta(seconds=second) for second in ends)
    days = [f"{day.day} {day:%b} {day.year}" for day in (first, last)]
    return days[0] if days[0] == days[1] else " to ".join(days)


def step_words(bins: Bins) -> str:
    """Return the length of the time that one column covers, in words: `hour`, `6 hours`, `day`, `week`."""
    for size, noun in ((7 * DAY, "week"), (DAY, "day"), (HOUR, "hour")):
        if bins.step % size == 0:
            number = bins.step // size
            return noun if number == 1 else f"{number:,} {noun}s"
    return f"{bins.step:,} seconds"


def _with_doubled_steps(steps: tuple[int, ...]) -> Iterator[int]:
    """Yield the steps, then double the last step endlessly: a log may span the years 1 to 9999."""
    yield from steps
    step = steps[-1]
    while True:
        step *= 2
        yield step


def _aligned(second: int, step: int) -> int:
    """Round a second down to the start of the span of length `step` that contains it."""
    return second - _MONDAY if step % (7 * DAY) == 0 else second


def _floor(second: int, step: int) -> int:
    aligned = _aligned(second, step)
    return second - aligned % step


def _label(second: int, step: int, bins: Bins) -> str:
    time = _EPOCH + timedelta(seconds=second)
    if step % DAY and second % DAY:
        return f"{time:%H:%M}"
    return f"{time.day} {time:%b}" if bins.end - bins.start <= _LONG else f"{time:%b} {time.year}"
