"""A recorded terminal -> HTML that the reader can play: the last screen, the changes of every moment, and the text."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import NamedTuple

import pyte

_MERGED_SECONDS = 0.03
"""Changes that follow each other faster are one change."""
_CLEAR = "$ clear"


class Moment(NamedTuple):
    """What the screen shows from a time on."""

    seconds: float
    rows: tuple[str, ...]
    """The rows as HTML."""
    text: str


def player(file: Path) -> str:
    """The HTML for a recording in the format asciicast v2; it shows the last screen until the reader plays it."""
    head, *events = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    moments = list(_moments(head["width"], head["height"], events))
    data = json.dumps(list(_changes(moments))).replace("</", "<\\/")
    last = "\n".join(moments[-1].rows)
    text = escape(_transcript(moments))
    return (
        f'<div class="cast">\n'
        f'<pre tabindex="0" aria-label="{escape(head["title"])}"><code>{last}</code></pre>\n'
        f'<p><button type="button" class="md-button" hidden>Play ({moments[-1].seconds:.0f} seconds)</button>'
        f"</p>\n"
        f"<details><summary>The same as text</summary><pre><code>{text}</code></pre></details>\n"
        f'<script type="application/json">{data}</script>\n'
        f"</div>\n"
    )


def _moments(columns: int, rows: int, events: list[tuple[float, str, str]]) -> Iterator[Moment]:
    screen = pyte.Screen(columns, rows)
    stream = pyte.Stream(screen)
    for (seconds, _, text), following in zip(events, [*events[1:], (float("inf"), "o", "")], strict=True):
        stream.feed(text)
        if following[0] - seconds > _MERGED_SECONDS:
            shown = "\n".join(row.rstrip() for row in screen.display).strip()
            yield Moment(seconds, tuple(_row(screen, number) for number in range(rows)), shown)


def _row(screen: pyte.Screen, number: int) -> str:
    """One row as HTML: a span for each stretch of characters with the same style."""
    cells = [screen.buffer[number][column] for column in range(screen.columns)]
    parts = []
    for style, stretch in itertools.groupby(cells, key=_style):
        text = escape("".join(cell.data for cell in stretch), quote=False)
        parts.append(f'<span class="{style}">{text}</span>' if style else text)
    return "".join(parts).rstrip()


def _style(cell: pyte.screens.Char) -> str:
    names = [f"t-{cell.fg}"] if cell.fg != "default" else []
    names += ["t-bold"] if cell.bold else []
    names += ["t-reverse"] if cell.reverse else []
    return " ".join(names)


def _changes(moments: list[Moment]) -> Iterator[tuple[float, dict[int, str]]]:
    """The time of each moment, and the rows that differ from the moment before."""
    shown: tuple[str, ...] = ("",) * len(moments[0].rows)
    for moment in moments:
        yield moment.seconds, {at: row for at, row in enumerate(moment.rows) if row != shown[at]}
        shown = moment.rows


def _transcript(moments: list[Moment]) -> str:
    """The last screen before each `clear`, and the last one."""
    cleared = [
        before.text.removesuffix(_CLEAR)
        for before, after in itertools.pairwise(moments)
        if before.text.endswith(_CLEAR) and not after.text.startswith(before.text)
    ]
    return "".join([*cleared, moments[-1].text.removesuffix("$")])
