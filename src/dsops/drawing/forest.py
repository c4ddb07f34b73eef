"""Lay out the boxes of a drawing: one column per step from the root, and one lane from top to bottom per account."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from textwrap import wrap
from typing import NamedTuple

from dsops.drawing.plain import width

CHARACTERS = 38
"""Maximum number of characters in a line of a box; a longer line is wrapped, never cut."""

CHARACTER, LINE = 7.4, 17
"""Character width and line height in px, for a monospaced font of 12 px.

The widest of the requested fonts has characters of 0.602 em; the width is rounded up to leave room for hinting.
"""

INSIDE, _BETWEEN_COLUMNS, _BETWEEN_ROWS, MARGIN = 10, 64, 12, 24

FRAME_HEADER = 24
"""The height of the name of a frame, in px."""

_FRAME_PADDING, _BETWEEN_LANES = 12, 16

Key = tuple[str, ...]


class Item(NamedTuple):
    """A box. In a list of items, parents precede children."""

    depth: int
    """The number of steps from the root."""
    lines: tuple[str, ...]
    """Printable lines, wrapped by `broken`."""
    key: Key
    """The key that identifies the box."""
    parent: Key | None = None
    kind: str = ""
    """The CSS class of the item's shapes."""
    corner: int = 3
    state: str = ""
    """The CSS class of the box for its outcome, such as a failure; "" if the box has no outcome."""
    state_lines: int = 0
    """The number of lines, after the first, that describe the outcome."""
    title: str = ""
    """The text of the tooltip."""
    lane: str = ""
    """The name of the frame that the box is in; "" for a box outside of all frames."""


class Box(NamedTuple):
    """An item with its position and size."""

    item: Item
    x: float
    y: float
    width: float
    height: float


class Frame(NamedTuple):
    """A frame around all boxes of a lane, with its name at the top."""

    text: str
    x: float
    y: float
    width: float
    height: float


class Drawing(NamedTuple):
    """All boxes and frames with their positions, in reading order."""

    boxes: tuple[Box, ...]
    frames: tuple[Frame, ...]
    width: float
    height: float


def broken(texts: Iterable[str]) -> tuple[str, ...]:
    """Wrap texts into the lines of a box. Each text begins on a new line."""
    return tuple(line for text in texts for line in wrap(text, CHARACTERS, break_on_hyphens=False) or [""])


def lay_out(items: Sequence[Item], top: float) -> Drawing:
    """Lay out the items from height `top`, lane by lane; each lane with a name has one frame."""
    widths = _column_widths(items)
    lefts = [MARGIN + sum(widths[:column]) + _BETWEEN_COLUMNS * column for column in range(len(widths))]
    lanes: dict[str, list[Item]] = {}
    for item in items:
        lanes.setdefault(item.lane, []).append(item)
    boxes: list[Box] = []
    frames: list[Frame] = []
    bottom = top
    for number, (lane, members) in enumerate(lanes.items()):
        lane_top = bottom + (_BETWEEN_LANES if number else 0)
        placed = _lay_out_lane(members, lane_top + (FRAME_HEADER if lane else 0), lefts, widths)
        bottom = max(box.y + box.height for box in placed) + (_FRAME_PADDING if lane else 0)
        boxes += placed
        if lane:
            frames.append(_frame(lane, placed, lane_top, bottom))
    right = max([*(box.x + box.width for box in boxes), *(frame.x + frame.width for frame in frames), MARGIN])
    return Drawing(tuple(boxes), tuple(frames), right + MARGIN, bottom + MARGIN)


def _lay_out_lane(items: Sequence[Item], top: float, lefts: Sequence[float], widths: Sequence[float]) -> list[Box]:
    """Lay out the items of one lane. The first child is beside its parent, and further children are below the first."""
    bottoms, tops = [top] * len(widths), [top] * len(widths)
    boxes: list[Box] = []
    for item in items:
        # The item is placed below all earlier items in this column and in the columns to its right, and not above its
        # parent.
        y = max([*bottoms[item.depth :], *tops[item.depth - 1 : item.depth]])
        height = LINE * len(item.lines) + 2 * INSIDE
        bottoms[item.depth] = y + height + _BETWEEN_ROWS
        tops[item.depth] = y
        boxes.append(Box(item, lefts[item.depth], y, widths[item.depth], height))
    return boxes


def _frame(text: str, boxes: Sequence[Box], top: float, bottom: float) -> Frame:
    left = min(box.x for box in boxes) - _FRAME_PADDING
    right = max(box.x + box.width for box in boxes) + _FRAME_PADDING
    wide = max(right - left, width(text) * CHARACTER + 2 * _FRAME_PADDING)
    return Frame(text, left, top, wide, bottom - top)


def _column_widths(items: Sequence[Item]) -> list[float]:
    widest = [0.0] * (max((item.depth for item in items), default=-1) + 1)
    for item in items:
        needed = max(map(width, item.lines)) * CHARACTER + 2 * INSIDE
        widest[item.depth] = max(widest[item.depth], needed)
    return widest
