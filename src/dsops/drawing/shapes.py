"""The SVG elements of a drawing; the caller adds the `svg` element around them, and a style."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from dsops.drawing.forest import INSIDE, LINE, Box, Drawing
from dsops.drawing.plain import plain


def shapes(drawing: Drawing) -> Iterator[str]:
    """Yield lines of SVG: edges, then headings, then boxes.

    Their CSS classes are `edge`, `box`, `name`, `bad`, and the kind of each item.
    """
    yield from _edges(drawing)
    for heading in drawing.headings:
        yield f'  <text x="{number(heading.x)}" y="{number(heading.y + 12)}">{fit(heading.text)}</text>'
    for box in drawing.boxes:
        yield from _box(box)


def _edges(drawing: Drawing) -> Iterator[str]:
    """Yield an edge from each parent's right side to each child, as a path with right angles."""
    boxes = {box.item.key: box for box in drawing.boxes}
    for box in drawing.boxes:
        if box.item.parent is None:
            continue
        parent = boxes[box.item.parent]
        start, end = parent.x + parent.width, box.x
        middle = end - 28
        path = f"M{number(start)} {_port(parent)} H{number(middle)} V{_port(box)} H{number(end)}"
        yield f'  <path class="edge{" bad" if box.item.is_broken else ""}" d="{path}"/>'


def _port(box: Box) -> str:
    """Return the vertical position of the middle of the box's first line, where edges begin and end."""
    return number(box.y + INSIDE + LINE / 2)


def _box(box: Box) -> Iterator[str]:
    item = box.item
    yield f'  <g class="{item.kind}{" bad" if item.is_broken else ""}">'
    if item.title:
        yield f"    <title>{fit(item.title)}</title>"
    place = f'x="{number(box.x)}" y="{number(box.y)}" width="{number(box.width)}" height="{number(box.height)}"'
    yield f'    <rect class="box" {place} rx="{item.corner}"/>'
    for line, text in enumerate(item.lines):
        style = ' class="name"' if line == 0 else ""
        x, y = number(box.x + INSIDE), number(box.y + INSIDE + LINE * line + 12)
        yield f'    <text{style} x="{x}" y="{y}">{fit(text)}</text>'
    yield "  </g>"


def fit(text: str) -> str:
    """Escape a text for XML. Characters that XML can't contain become codes, as in `plain`."""
    return escape(plain(text), quote=False)


def number(value: float) -> str:
    """Format a number with one decimal, left out if it is 0, so that the file is the same on every machine."""
    return f"{value:.1f}".removesuffix(".0")
