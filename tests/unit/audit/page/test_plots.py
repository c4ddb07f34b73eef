"""Plots on the report's page: lengths of bars, heights of columns, positions of markers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dsops.audit.page.markup import Markup
from dsops.audit.page.plots import MOST_BARS, Bar, Use, bars, share_of, timeline, uses
from dsops.audit.page.scale import bins_of
from tests.markup import Node, read

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def lengths(plot: Node) -> list[str]:
    """Return the length of each bar; "" if none is drawn."""
    drawn = [bar.all("rect", "fill") for bar in plot.all("svg", "bar")]
    return [rectangles[0]["width"] if rectangles else "" for rectangles in drawn]


def rows(*values: int) -> list[Bar]:
    """Return bars with these numbers."""
    return [Bar(Markup(f"number {index}"), value) for index, value in enumerate(values)]


class TestBars:
    """Lists of bars."""

    def test_they_are_as_long_as_their_numbers(self) -> None:
        """The length of a bar is proportional to its number, and the largest number has a bar of 100 %."""
        plot = read(bars(rows(40, 20, 1), "calls"))
        assert lengths(plot) == ["100%", "50%", "2.5%"]
        assert [element.one("b").text for element in plot.all("li")] == ["40", "20", "1"]
        assert plot.all("title")[0].text == "40 calls"

    def test_one_number_fills_its_line(self) -> None:
        """The bar of a single number is 100 % long."""
        assert lengths(read(bars(rows(7), "calls"))) == ["100%"]

    def test_zeros_have_no_length(self) -> None:
        """A row whose number is zero has no bar, and zeros cause no division by zero."""
        assert lengths(read(bars(rows(0, 0), "calls"))) == ["", ""]

    def test_ten_thousand_are_cut(self) -> None:
        """Of ten thousand rows only the largest are drawn, and a line gives the total number."""
        plot = read(bars(rows(*range(10_000, 0, -1)), "calls"))
        assert len(plot.all("li")) == MOST_BARS
        assert plot.one("p", "more").text == "The 12 largest of 10,000."
        assert not read(bars(rows(1, 1), "calls")).all("p")

    def test_who_listens_is_spared_the_picture(self) -> None:
        """Bars are hidden from screen readers, because each number is also text beside its bar."""
        assert {element["aria-hidden"] for element in read(bars(rows(1, 2), "calls")).all("svg")} == {"true"}


class TestUses:
    """Bars that show the used share of the requested session time."""

    def test_the_bar_is_the_usual_share_and_the_mark_the_longest(self) -> None:
        """The bar shows the used share of a typical session, and the marker that of the longest session."""
        plot = read(uses([Use(Markup("a"), 3600, 3600, 1800, 2700)]))
        assert lengths(plot) == ["50%"]
        assert plot.one("line", "mark")["x1"] == "75%"
        assert plot.one("span", "value").text == "30 min of 1 h"
        assert plot.one("title").text == (
            "usual session: used 30 min, asked for 1 h; longest: used 45 min, asked for 1 h"
        )

    def test_what_was_never_used_has_neither(self) -> None:
        """A role whose sessions were never used has no bar and no marker, and a text says so."""
        plot = read(uses([Use(Markup("a"), 900, 900, None, None)]))
        assert (lengths(plot), plot.all("line", "mark")) == ([""], [])
        assert plot.one("span", "value").text == plot.one("title").text == "never used"

    def test_the_axis_is_in_percent(self) -> None:
        """The axis runs from 0 % to 100 %."""
        axis = read(uses([Use(Markup("a"), 900, 900, 1, 1)])).one("svg", "axis")
        assert [(element["x"], element.text) for element in axis.all("text")] == [
            ("0%", "0 %"),
            ("25%", "25 %"),
            ("50%", "50 %"),
            ("75%", "75 %"),
            ("100%", "100 %"),
        ]

    @pytest.mark.parametrize(
        ("used", "asked", "share"),
        [(0, 900, 0), (450, 900, 50), (901, 900, 100), (None, 900, None), (1, None, None), (1, 0, None), (1, -1, None)],
    )
    def test_a_share_stays_between_nothing_and_all(
        self, used: int | None, asked: int | None, share: float | None
    ) -> None:
        """A share is always between 0 and 1, even if clocks in the log differ by seconds."""
        assert share_of(used, asked) == share


class TestTimeline:
    """Columns over time."""

    def columns(self, *values: int) -> Node:
        """Return a plot with one column per hour from noon on."""
        bins = bins_of(NOON + timedelta(hours=hour) for hour in range(len(values)))
        return read(timeline("plot", "Sessions", bins, values)).one("svg", "plot")

    def test_columns_are_as_high_as_their_numbers(self) -> None:
        """Column heights are proportional to the numbers, on an axis that ends at a round number."""
        plot = self.columns(4, 2, 0, 1)
        drawn = plot.all("rect", "fill")
        assert [float(rectangle["height"]) for rectangle in drawn] == [112, 56, 28]
        assert {float(rectangle["y"]) + float(rectangle["height"]) for rectangle in drawn} == {120}
        assert [element.text for element in plot.all("text")] == [
            "0",
            "1",
            "2",
            "3",
            "4",
            "12:00",
            "13:00",
            "14:00",
            "15:00",
        ]

    def test_columns_stand_in_their_hours(self) -> None:
        """Each of four hourly columns has a quarter of the width, and a zero leaves its quarter empty."""
        lefts = [float(element["x"].removesuffix("%")) for element in self.columns(4, 2, 0, 1).all("rect", "fill")]
        assert [left // 25 for left in lefts] == [0, 1, 3]

    def test_what_is_not_nothing_is_seen(self) -> None:
        """A number above zero has a visible column, even beside a million."""
        assert float(self.columns(1_000_000, 1).all("rect", "fill")[1]["height"]) == 1.5

    def test_all_zero_is_an_empty_plot(self) -> None:
        """If all numbers are zero, the plot has only its axes."""
        plot = self.columns(0, 0, 0)
        assert not plot.all("rect", "fill")
        assert [element.text for element in plot.all("text")][:2] == ["0", "1"]

    def test_one_hour_is_no_wall(self) -> None:
        """The column of a single hour is as narrow as one of twelve columns."""
        assert self.columns(9).one("rect", "fill")["width"] == "8%"

    def test_who_does_not_see_it_is_told(self) -> None:
        """The plot has a title and description for screen readers."""
        plot = self.columns(4, 2)
        assert (plot["role"], plot["aria-labelledby"]) == ("img", "plot-title plot-desc")
        assert plot.all("title")[0].text == "Sessions"
        assert plot.one("desc").text == "6 in all, at most 4 per hour"

    def test_ten_thousand_hours_are_a_hundred_columns(self) -> None:
        """Ten thousand hours become at most 120 columns with the same sum."""
        rows = [(NOON + timedelta(hours=hour), 1) for hour in range(10_000)]
        bins = bins_of(time for time, _ in rows)
        plot = read(timeline("plot", "Sessions", bins, bins.sums(rows))).one("svg", "plot")
        assert len(plot.all("rect", "fill")) <= 120
        assert plot.one("desc").text.startswith("10,000 in all")
