"""SVG plots that scale with the page: horizontal positions are in percent, heights and letters in pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from dsops.audit.page.formatting import compact, count, duration
from dsops.audit.page.markup import Markup, element, joined
from dsops.audit.page.scale import Bins, count_ticks, step_words, time_ticks

MOST_BARS = 12
_HEIGHT, _TOP, _AXIS = 112, 8, 22
"""Heights in pixels of a timeline's columns, of the space above them, and of the labels below them."""
_BAR = 10
_GAP = 0.15
"""The fraction of a column's width that stays empty as a gap."""


class Bar(NamedTuple):
    """A bar of a bar chart: a number and its label."""

    label: Markup
    value: int
    note: str = ""
    """A short text after the number."""


def bars(rows: Sequence[Bar], noun: str, kind: str = "", *, of: int = 0) -> Markup:
    """Draw a bar chart, relative to the largest value; the number stands at the end of each bar.

    `of` is the total number of rows, if `rows` are only the largest of them.
    """
    shown_rows = rows[:MOST_BARS]
    largest = max((row.value for row in shown_rows), default=0)
    items = [
        element(
            "li",
            element("span", row.label, class_="label"),
            _bar(row.value, largest, f"{count(row.value)} {noun}"),
            element("span", element("b", count(row.value)), *_note(row.note), class_="value"),
        )
        for row in shown_rows
    ]
    every = max(of, len(rows))
    under = (
        element("p", f"The {len(shown_rows)} largest of {count(every)}.", class_="more")
        if every > len(shown_rows)
        else ""
    )
    return joined([element("ul", *items, class_=f"bars {kind}".strip()), under])


def _note(note: str) -> tuple[str, ...]:
    return (" ", element("small", note)) if note else ()


def _bar(value: int, largest: int, title: str) -> Markup:
    """Draw one bar. Screen readers skip the bar, since they read the number beside it."""
    length = 100 * value / largest if largest > 0 else 0
    shapes = [
        element("title", title),
        element("rect", class_="track", width="100%", height=_BAR),
        element("rect", class_="fill", width=_percent(length), height=_BAR) if length > 0 else "",
    ]
    return element("svg", *shapes, class_="bar", height=_BAR, aria_hidden="true")


class Use(NamedTuple):
    """Requested and used durations of one role's sessions, in seconds."""

    label: Markup
    asked_median: int | None
    asked_max: int | None
    used_median: int | None
    used_max: int | None
    note: str = ""


def uses(rows: Sequence[Use], *, of: int = 0) -> Markup:
    """Plot the used part of the requested durations: a bar for the median session, a mark for the longest session.

    `of` is the total number of rows, if `rows` are only the first of them.
    """
    shown_rows = rows[:MOST_BARS]
    items = [
        element(
            "li", element("span", row.label, class_="label"), _use(row), element("span", *_used_of(row), class_="value")
        )
        for row in shown_rows
    ]
    every = max(of, len(rows))
    under = (
        element("p", f"The first {len(shown_rows)} of {count(every)}.", class_="more")
        if every > len(shown_rows)
        else ""
    )
    return joined([element("ul", *items, class_="bars uses"), _shares(), under])


def _use(row: Use) -> Markup:
    usual = share_of(row.used_median, row.asked_median)
    longest = share_of(row.used_max, row.asked_max)
    shapes = [
        element("title", _use_words(row) or "never used"),
        element("rect", class_="track", width="100%", height=_BAR, y=3),
        *(element("line", class_="grid", x1=f"{at}%", x2=f"{at}%", y1=3, y2=_BAR + 3) for at in (25, 50, 75)),
        element("rect", class_="fill", width=_percent(usual), height=_BAR, y=3) if usual else "",
    ]
    if longest is not None:
        place = _percent(longest)
        shapes.append(element("line", class_="mark", x1=place, x2=place, y1=0, y2=_BAR + 6))
    return element("svg", *shapes, class_="bar", height=_BAR + 6, aria_hidden="true")


def share_of(used: int | None, requested: int | None) -> float | None:
    """Return the used percentage of the requested duration, at most 100; None if either is unknown."""
    if used is None or not requested or requested < 0:
        return None
    return min(100.0, max(0.0, 100 * used / requested))


def _used_of(row: Use) -> tuple[str, ...]:
    """Return the used duration, such as `30 min`, and in small print `of 1 h, 12 sessions`."""
    used = "never used" if row.used_median is None else duration(row.used_median)
    of = f"of {duration(row.asked_median)}" if row.asked_median and row.used_median is not None else ""
    return element("b", used), *_note(", ".join(part for part in (of, row.note) if part))


def _use_words(row: Use) -> str:
    """Return the text of the bar's tooltip."""
    pairs = (("usual session", row.used_median, row.asked_median), ("longest", row.used_max, row.asked_max))
    return "; ".join(
        f"{name}: used {duration(used)}, asked for {duration(requested)}"
        for name, used, requested in pairs
        if used is not None and requested is not None
    )


def _shares() -> Markup:
    """Draw the axis below the bars."""
    ends = {0: "start", 100: "end"}
    labels = [
        element("text", f"{at} %", x=f"{at}%", y=12, text_anchor=ends.get(at, "middle")) for at in (0, 25, 50, 75, 100)
    ]
    return element("svg", *labels, class_="axis", height=16, aria_hidden="true")


def timeline(identity: str, title: str, bins: Bins, values: Sequence[int], kind: str = "") -> Markup:
    """Draw a timeline with a column for each bin; `identity` is an id that is unique on the page."""
    ticks = count_ticks(max(values, default=0))
    top = ticks[-1]
    described = f"{count(sum(values))} in all, at most {count(max(values, default=0))} per {step_words(bins)}"
    shapes = [
        element("title", title, id=f"{identity}-title"),
        element("desc", described, id=f"{identity}-desc"),
        *(part for tick in ticks for part in _count_tick(tick, top)),
        *(_column(index, value, top, bins.number) for index, value in enumerate(values) if value > 0),
        *(part for second, label in time_ticks(bins).items() for part in _time_tick(second, label, bins)),
    ]
    return element(
        "svg",
        *shapes,
        class_=f"plot {kind}".strip(),
        height=_TOP + _HEIGHT + _AXIS,
        role="img",
        aria_labelledby=f"{identity}-title {identity}-desc",
    )


def _column(index: int, value: int, top: int, number: int) -> Markup:
    span, high = 100 / number, column_height(value, top)
    # Without a maximum width, a single column would be as wide as the plot.
    width = min(span * (1 - _GAP), 8.0)
    left = span * index + (span - width) / 2
    title = element("title", count(value))
    return element(
        "rect", title, class_="fill", x=_percent(left), width=_percent(width), y=_TOP + _HEIGHT - high, height=high
    )


def column_height(value: int, top: int) -> float:
    """Return the height of a column in pixels; a value above 0 is always visible."""
    return max(1.5, _HEIGHT * value / top)


def _count_tick(tick: int, top: int) -> tuple[Markup, Markup]:
    y = _TOP + _HEIGHT - _HEIGHT * tick / top
    line = element("line", class_="grid" if tick else "base", x1="0", x2="100%", y1=y, y2=y)
    return line, element("text", compact(tick), x=-8, y=y + 4, text_anchor="end")


def _time_tick(second: int, label: str, bins: Bins) -> tuple[Markup, Markup]:
    at = 100 * (second - bins.start) / (bins.end - bins.start)
    bottom = _TOP + _HEIGHT
    line = element("line", class_="base", x1=_percent(at), x2=_percent(at), y1=bottom, y2=bottom + 4)
    # A label at the very end would not fit a narrow page, and further left it would overlap the previous label.
    is_told = at <= 97
    return line, element("text", label, x=_percent(at), y=bottom + 17, text_anchor="middle") if is_told else Markup()


def _percent(value: float | None) -> str:
    return f"{value or 0:.2f}".rstrip("0").rstrip(".") + "%"
