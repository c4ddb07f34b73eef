"""Where each box of a drawing stands: a column for each step away from its root, rows from top to bottom."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from textwrap import wrap
from typing import NamedTuple

from dsops.drawing.plain import width

CHARACTERS = 38
"""Of a line in a box; longer ones are broken, never cut."""

CHARACTER, LINE = 7.4, 17
"""Of a monospaced font of 12 px: 0.602 em, the widest of those that are asked for, and room for hinting."""

INSIDE, _BETWEEN_COLUMNS, _BETWEEN_ROWS, MARGIN = 10, 56, 12, 24

Key = tuple[str, ...]


class Item(NamedTuple):
    """A box to be drawn, or a heading of those that follow in its column; each after its parent, depth first."""

    depth: int
    """Steps from its root."""
    lines: tuple[str, ...]
    """Each fit to be shown, and no longer than `broken` makes them."""
    key: Key | None
    """None: a heading, of one line."""
    parent: Key | None = None
    kind: str = ""
    """The class that its shapes have, for a style sheet."""
    corner: int = 3
    is_broken: bool = False
    title: str = ""
    """What a pointer over it shows."""


class Box(NamedTuple):
    """An item with its place."""

    item: Item
    x: float
    y: float
    width: float
    height: float


class Heading(NamedTuple):
    """Words over boxes."""

    text: str
    x: float
    y: float


class Drawing(NamedTuple):
    """Everything with its place, in reading order."""

    boxes: tuple[Box, ...]
    headings: tuple[Heading, ...]
    width: float
    height: float


def broken(texts: Iterable[str]) -> tuple[str, ...]:
    """The lines of a box that says these, each beginning on one of its own."""
    return tuple(line for text in texts for line in wrap(text, CHARACTERS, break_on_hyphens=False) or [""])


def lay_out(items: Sequence[Item], top: float) -> Drawing:
    """The drawing, beginning at that height. A first child stands beside its parent, the others below."""
    widths = _column_widths(items)
    lefts = [MARGIN + sum(widths[:column]) + _BETWEEN_COLUMNS * column for column in range(len(widths))]
    bottoms, tops = [top] * len(widths), [top] * len(widths)
    boxes: list[Box] = []
    headings: list[Heading] = []
    for item in items:
        # Below all earlier rows of this column and of those right of it, and no higher than its parent.
        y = max([*bottoms[item.depth :], *tops[item.depth - 1 : item.depth]])
        height = LINE * len(item.lines) + 2 * INSIDE if item.key is not None else LINE
        bottoms[item.depth] = y + height + _BETWEEN_ROWS
        if item.key is None:
            headings.append(Heading(item.lines[0], lefts[item.depth], y))
        else:
            tops[item.depth] = y
            boxes.append(Box(item, lefts[item.depth], y, widths[item.depth], height))
    right = lefts[-1] + widths[-1] + MARGIN if lefts else 2 * MARGIN
    return Drawing(tuple(boxes), tuple(headings), right, max(bottoms, default=top) + MARGIN)


def _column_widths(items: Sequence[Item]) -> list[float]:
    widest = [0.0] * (max((item.depth for item in items), default=-1) + 1)
    for item in items:
        # A heading may hang over: nothing stands right of it.
        if item.key is not None:
            needed = max(map(width, item.lines)) * CHARACTER + 2 * INSIDE
            widest[item.depth] = max(widest[item.depth], needed)
    return widest
