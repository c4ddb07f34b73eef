"""Axes of plots: round ends for counts, even intervals for times, few labels for narrow screens."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dsops.audit.page.scale import (
    DAY,
    HOUR,
    MOST_BINS,
    Bins,
    bins_of,
    count_ticks,
    seconds,
    span_words,
    step_words,
    time_ticks,
    usual_span,
)

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
NOON_SECONDS = 1795176000


@pytest.mark.parametrize(
    ("largest", "ticks"),
    [
        (0, [0, 1]),
        (1, [0, 1]),
        (3, [0, 1, 2, 3]),
        (4, [0, 1, 2, 3, 4]),
        (5, [0, 2, 4, 6]),
        (9, [0, 5, 10]),
        (15, [0, 5, 10, 15]),
        (87, [0, 50, 100]),
        (1_234_567, [0, 500_000, 1_000_000, 1_500_000]),
    ],
)
def test_an_axis_of_counts_ends_at_a_round_number(largest: int, ticks: list[int]) -> None:
    """A count axis ends at a round number, at or above the largest value, in at most four whole steps."""
    assert count_ticks(largest) == ticks


def test_an_axis_is_never_too_short() -> None:
    """For every number up to 10,000 the axis covers the number, has whole steps, and ends below twice the number."""
    for largest in range(1, 10_001):
        ticks = count_ticks(largest)
        assert largest <= ticks[-1] < 2 * largest + 1
        assert 2 <= len(ticks) <= 5


def test_one_hour_is_one_column() -> None:
    """A single hour is drawn as one column that covers an hour."""
    assert bins_of([NOON]) == Bins(NOON_SECONDS, HOUR, 1)
    assert seconds(NOON) == NOON_SECONDS


@pytest.mark.parametrize(
    ("hours", "step"),
    [(MOST_BINS, HOUR), (MOST_BINS + 1, 2 * HOUR), (24 * 40, 12 * HOUR), (24 * 100, DAY), (24 * 365, 7 * DAY)],
)
def test_spans_are_as_short_as_they_can_be(hours: int, step: int) -> None:
    """A column covers one hour if the hours are few enough, otherwise a round multiple of an hour."""
    bins = bins_of(NOON + timedelta(hours=hour) for hour in range(hours))
    assert bins.step == step
    assert bins.number <= MOST_BINS


def test_weeks_begin_on_monday() -> None:
    """Columns of a week start on Monday, not on the weekday of 1 Jan 1970 (Thursday)."""
    bins = bins_of([NOON, NOON + timedelta(days=300)])
    assert bins.step == 7 * DAY
    assert datetime.fromtimestamp(bins.start, UTC).weekday() == 0


def test_sums_keep_every_number() -> None:
    """The columns' sums add up to the input's sum, whatever interval a column covers."""
    rows = [(NOON + timedelta(hours=hour), hour) for hour in range(10_000)]
    bins = bins_of(time for time, _ in rows)
    assert sum(bins.sums(rows)) == sum(value for _, value in rows)
    ends = (datetime(1970, 1, 1, 0, 59, tzinfo=UTC), 1), (datetime(1970, 1, 1, 1, tzinfo=UTC), 2)
    assert Bins(0, HOUR, 2).sums(ends) == [1, 2]


def test_every_year_that_a_clock_can_say_is_drawn() -> None:
    """Years 1 to 9999 are drawn, with ticks only inside that range, because a tick outside would be no valid date."""
    bins = bins_of([datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, tzinfo=UTC)])
    assert bins.number <= MOST_BINS
    assert 1 <= len(time_ticks(bins)) <= 4
    assert span_words(bins).startswith("1 Jan 1 to ")


def test_labels_are_few_and_round() -> None:
    """Axis labels are hours if the plot covers a day, days if it covers a year, and otherwise months."""
    day = time_ticks(bins_of([NOON, NOON + timedelta(hours=10)]))
    assert list(day.values()) == ["12:00", "15:00", "18:00", "21:00"]
    week = time_ticks(bins_of(NOON + timedelta(hours=hour) for hour in range(7 * 24)))
    assert list(week.values()) == ["21 Nov", "23 Nov", "25 Nov", "27 Nov"]
    years = time_ticks(bins_of([NOON, NOON + timedelta(days=800)]))
    assert len(years) <= 4
    assert all(label.split()[1] in {"2026", "2027", "2028", "2029"} for label in years.values())


def test_spans_are_told_in_words() -> None:
    """`step_words` describes a column's interval, `span_words` the first and last day of the plot."""
    hour = bins_of([NOON])
    assert (step_words(hour), span_words(hour)) == ("hour", "20 Nov 2026")
    assert step_words(Bins(0, 2 * HOUR, 3)) == "2 hours"
    assert step_words(Bins(0, 7 * DAY, 3)) == "week"
    assert span_words(Bins(seconds(NOON), DAY, 3)) == "20 Nov 2026 to 23 Nov 2026"


def test_one_wrong_clock_does_not_squeeze_all_others() -> None:
    """`usual_span` excludes a record of 1970 from a log of one day, and nothing from a long, even log."""
    day = [NOON + timedelta(hours=hour) for hour in range(24)]
    assert usual_span([datetime(1970, 1, 1, tzinfo=UTC), *day]) == (day[0], day[-2])
    even = [NOON + timedelta(days=number) for number in range(500)]
    assert usual_span(even) == (even[0], even[-1])
    assert usual_span([NOON, NOON + timedelta(days=9000)]) == (NOON, NOON + timedelta(days=9000))
    assert usual_span([]) is None
