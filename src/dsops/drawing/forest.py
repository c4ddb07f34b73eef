"""Lay out the boxes of a drawing: one column per step from the root, rows from top to bottom."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from textwrap import wrap
from typing import NamedTuple

from dsops.drawing.plain import width

CHARACTERS = 38
"""Maximum number of characters in a line of a box; a longer line is wrapped, never cut."""

CHARACTER, LINE = 7.4, 17
"""Character width and line height in px, for a monospaced font of 12 px.

0.602 em is the width of the widest of the requested fonts; the rest leaves room for hinting.
"""

INSIDE, _BETWEEN_COLUMNS, _BETWEEN_ROWS, MARGIN = 10, 56, 12, 24

Key = tuple[str, ...]


class Item(NamedTuple):
    """A box, or a heading for the boxes that follow in its column. In a list of items, parents precede children."""

    depth: int
    """The number of steps from the root."""
    lines: tuple[str, ...]
    """Printable lines, wrapped by `broken`."""
    key: Key | None
    """The id of a box; None for a heading, which has one line."""
    parent: Key | None = None
    kind: str = ""
    """The CSS class of the item's shapes."""
    corner: int = 3
    is_broken: bool = False
    title: str = ""
    """The text of the tooltip."""


class Box(NamedTuple):
    """An item with its position and size."""

    item: Item
    x: float
    y: float
    width: float
    height: float


class Heading(NamedTuple):
    """A text above the boxes of a column."""

    text: str
    x: float
    y: float


class Drawing(NamedTuple):
    """All boxes and headings with their positions, in reading order."""

    boxes: tuple[Box, ...]
    headings: tuple[Heading, ...]
    width: float
    height: float


def broken(texts: Iterable[str]) -> tuple[str, ...]:
    """Wrap texts into the lines of a box. Each text begins on a new line."""
    return tuple(line for text in texts for line in wrap(text, CHARACTERS, break_on_hyphens=False) or [""])


def lay_out(items: Sequence[Item], top: float) -> Drawing:
    """Lay out the items from height `top`: the first child beside its parent, further children below the first."""
    widths = _column_widths(items)
    lefts = [MARGIN + sum(widths[:column]) + _BETWEEN_COLUMNS * column for column in range(len(widths))]
    bottoms, tops = [top] * len(widths), [top] * len(widths)
    boxes: list[Box] = []
    headings: list[Heading] = []
    for item in items:
        # The item is placed below all earlier items in this column and in the columns to its right, and not above its
        # parent.
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
        # A heading may be wider than its column, because no boxes are to its right.
        if item.key is not None:
            needed = max(map(width, item.lines)) * CHARACTER + 2 * INSIDE
            widest[item.depth] = max(widest[item.depth], needed)
    return widest
