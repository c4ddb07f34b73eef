"""Where each node of a drawing stands: a column for each step away from its caller, rows from top to bottom."""

from __future__ import annotations

from textwrap import wrap
from typing import NamedTuple

from dsops.graph.outline import Row, outline
from dsops.graph.plain import is_broken, outcome_words, plain, width
from dsops.graph.types import Graph, Node

_CHARACTERS = 38
"""Of a line in a box; longer ones are broken, never cut."""

CHARACTER, LINE = 7.4, 17
"""Of a monospaced font of 12 px: 0.602 em, the widest of those that are asked for, and room for hinting."""

INSIDE, _BETWEEN_COLUMNS, _BETWEEN_ROWS, MARGIN = 10, 56, 12, 24


class Box(NamedTuple):
    """A node with its place."""

    node: Node
    lines: tuple[str, ...]
    x: float
    y: float
    width: float
    height: float
    is_broken: bool


class Heading(NamedTuple):
    """The words over the hops of one account."""

    text: str
    x: float
    y: float


class Drawing(NamedTuple):
    """Everything with its place, in reading order."""

    boxes: tuple[Box, ...]
    headings: tuple[Heading, ...]
    width: float
    height: float



def lay_out(graph: Graph, top: float) -> Drawing:
    """The drawing, beginning at that height. A first child stands beside its parent, the others below."""
    rows = outline(graph)
    lines = [_lines(graph, row) for row in rows]
    widths = _column_widths(rows, lines)
    lefts = [MARGIN + sum(widths[:column]) + _BETWEEN_COLUMNS * column for column in range(len(widths))]
    bottoms, tops = [top] * len(widths), [top] * len(widths)
    boxes: list[Box] = []
    headings: list[Heading] = []
    for row, text in zip(rows, lines, strict=True):
        # Below all earlier rows of this column and of those right of it, and no higher than its parent.
        y = max([*bottoms[row.depth:], *tops[row.depth - 1:row.depth]])
        height = LINE * len(text) + 2 * INSIDE if row.node is not None else LINE
        bottoms[row.depth] = y + height + _BETWEEN_ROWS
        if row.node is None:
            headings.append(Heading(text[0], lefts[row.depth], y))
        else:
            tops[row.depth] = y
            broken = is_broken(graph, row.node)
            boxes.append(Box(row.node, text, lefts[row.depth], y, widths[row.depth], height, broken))
    right = lefts[-1] + widths[-1] + MARGIN if lefts else 2 * MARGIN
    return Drawing(tuple(boxes), tuple(headings), right, max(bottoms, default=top) + MARGIN)


def _lines(graph: Graph, row: Row) -> tuple[str, ...]:
    """Name, what became of it, facts; each on lines of its own."""
    if row.node is None:
        return (row.heading,)
    tried = outcome_words(graph, row.node)
    texts = [plain(row.node.name), *([tried] if tried else []), *_joined([plain(fact) for fact in row.node.facts])]
    return tuple(line for text in texts for line in wrap(text, _CHARACTERS, break_on_hyphens=False) or [""])


def _joined(facts: list[str]) -> list[str]:
    """Short facts side by side."""
    joined: list[str] = []
    for fact in facts:
        if joined and len(joined[-1]) + len(fact) + 2 <= _CHARACTERS:
            joined[-1] += f", {fact}"
        else:
            joined.append(fact)
    return joined


def _column_widths(rows: list[Row], lines: list[tuple[str, ...]]) -> list[float]:
    widest = [0.0] * (max((row.depth for row in rows), default=-1) + 1)
    for row, text in zip(rows, lines, strict=True):
        # A heading may hang over: nothing stands right of it.
        if row.node is not None:
            needed = max(map(width, text)) * CHARACTER + 2 * INSIDE
            widest[row.depth] = max(widest[row.depth], needed)
    return widest
