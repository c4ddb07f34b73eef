"""The SVG elements of a drawing; the caller adds the `svg` element around them, and a style."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from dsops.drawing.forest import INSIDE, LINE, Box, Drawing, Frame
from dsops.drawing.plain import plain

_ARROW = 8
"""The length and width of an arrowhead, in px."""
_BEND = 48
"""How far a curve to an earlier column leads to the right, in px."""


def shapes(drawing: Drawing) -> Iterator[str]:
    """Yield lines of SVG: frames, then edges with their arrowheads, then boxes.

    The CSS classes are `frame`, `frame-name`, `edge`, `arrow`, `box`, `name`, `state`, and the kind and state of each
    item.
    """
    for frame in drawing.frames:
        place = _place(frame)
        yield f'  <rect class="frame" {place} rx="8"/>'
        x, y = number(frame.x + INSIDE), number(frame.y + 16)
        yield f'  <text class="frame-name" x="{x}" y="{y}">{fit(frame.text)}</text>'
    yield from _edges(drawing)
    for box in drawing.boxes:
        yield from _box(box)


def _edges(drawing: Drawing) -> Iterator[str]:
    """Yield a curve from each parent's right side to each child's left side, with an arrowhead at its end.

    The curve is horizontal at both ends, so the arrowhead points to the right. The arrowhead is a polygon and
    not a `marker`. A `marker` needs `url(#...)`, which some viewers and pages with a strict security policy don't
    load.
    """
    boxes = {box.item.key: box for box in drawing.boxes}
    for box in drawing.boxes:
        if box.item.parent is not None:
            yield from arrow(boxes[box.item.parent], box, box.item.state)


def arrow(start: Box, end: Box, state: str) -> Iterator[str]:
    """Yield a curve with an arrowhead, from a box's right side to the left side of a box in a later column.

    To a box in the same column or an earlier one, the curve ends at that box's right side. `state` is a CSS class.
    """
    is_back = end.x <= start.x
    sign, side = (-1, end.x + end.width) if is_back else (1, end.x)
    begin, stop = start.x + start.width, side - sign * _ARROW
    middle = number(max(begin, stop) + _BEND if is_back else (begin + stop) / 2)
    here, there = _port(start), _port(end)
    class_name = f" {state}" if state else ""
    curve = f"M{number(begin)} {number(here)} C{middle} {number(here)} {middle} {number(there)}"
    yield f'  <path class="edge{class_name}" d="{curve} {number(stop)} {number(there)}"/>'
    back, half = number(stop - sign), _ARROW / 2
    points = f"{back},{number(there - half)} {number(side)},{number(there)} {back},{number(there + half)}"
    yield f'  <polygon class="arrow{class_name}" points="{points}"/>'


def _port(box: Box) -> float:
    """Return the vertical position of the middle of the box's first line, where edges begin and end."""
    return box.y + INSIDE + LINE / 2


def _box(box: Box) -> Iterator[str]:
    item = box.item
    yield f'  <g class="{" ".join(filter(None, (item.kind, item.state)))}">'
    if item.title:
        yield f"    <title>{fit(item.title)}</title>"
    yield f'    <rect class="box" {_place(box)} rx="{item.corner}"/>'
    for line, text in enumerate(item.lines):
        style = ' class="name"' if line == 0 else ' class="state"' if line <= item.state_lines else ""
        x, y = number(box.x + INSIDE), number(box.y + INSIDE + LINE * line + 12)
        yield f'    <text{style} x="{x}" y="{y}">{fit(text)}</text>'
    yield "  </g>"


def _place(shape: Box | Frame) -> str:
    """Return the SVG attributes for the position and size of a rectangle."""
    return " ".join(f'{name}="{number(getattr(shape, name))}"' for name in ("x", "y", "width", "height"))


def fit(text: str) -> str:
    """Escape a text for XML. Characters that XML can't contain become codes, as in `plain`."""
    return escape(plain(text), quote=False)


def number(value: float) -> str:
    """Format a number with at most one decimal, so that the file is the same on every machine."""
    return f"{value:.1f}".removesuffix(".0")
