"""The graph as one SVG file that needs nothing else: no script, no font, no address; for light and dark pages."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from dsops.graph.layout import INSIDE, LINE, MARGIN, Box, Drawing, lay_out
from dsops.graph.plain import counts, plain
from dsops.graph.text import graph_text
from dsops.graph.types import Graph

_TOP = 64
"""Room for the title."""

# Each pair of text and ground has a contrast of at least 7 to 1 (WCAG 2.2, 1.4.6), which a test computes.
LIGHT = {"paper": "#ffffff", "box": "#f4f6f8", "ink": "#1b1f24", "line": "#57606a", "bad": "#8f1d1d"}
DARK = {"paper": "#0d1117", "box": "#1c2430", "ink": "#f0f3f6", "line": "#b1bac4", "bad": "#ff9a92"}

_STYLE = """\
    svg { font: 12px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
    .name, .title { font-weight: bold; }
    .title { font-size: 16px; }
    .edge { fill: none; }
    .caller .box { stroke-width: 2; }
    .bad .box { stroke-width: 3; stroke-dasharray: 6 3; }
    .edge.bad { stroke-dasharray: 6 3; }"""

_ROUND = {"caller": 16, "hop": 3, "store": 3, "variable": 10}


def svg_text(graph: Graph) -> str:
    """The file. Its description is the tree in words, for who does not see it."""
    drawing = lay_out(graph, _TOP)
    wide, high = _number(max(drawing.width, 400)), _number(drawing.height)
    return "\n".join([
        '<?xml version="1.0" encoding="UTF-8"?>',
        _opening(wide, high),
        f'  <title id="title">{_text(graph.title)}</title>',
        f'  <desc id="desc">{escape(graph_text(graph), quote=False)}</desc>',
        "  <style>",
        _STYLE,
        *(f"    {rule}" for rule in _colours(LIGHT)),
        "    @media (prefers-color-scheme: dark) {",
        *(f"      {rule}" for rule in _colours(DARK)),
        "    }",
        "  </style>",
        '  <rect class="paper" width="100%" height="100%"/>',
        f'  <text class="title" x="{MARGIN}" y="28">{_text(graph.title)}</text>',
        f'  <text x="{MARGIN}" y="48">{counts(graph)}</text>',
        *_edges(drawing),
        *(f'  <text x="{_number(each.x)}" y="{_number(each.y + 12)}">{_text(each.text)}</text>'
          for each in drawing.headings),
        *(line for box in drawing.boxes for line in _box(box)),
        "</svg>\n",
    ])  # fmt: skip


def _opening(wide: str, high: str) -> str:
    size = f'width="{wide}" height="{high}" viewBox="0 0 {wide} {high}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="title desc">'


def _colours(palette: dict[str, str]) -> list[str]:
    """The rules with colours. Without variables: many programs that show SVG know none, nor `prefers-color-scheme`."""
    return [
        f".paper {{ fill: {palette['paper']}; }}",
        f"text {{ fill: {palette['ink']}; }}",
        f".box {{ fill: {palette['box']}; stroke: {palette['line']}; }}",
        f".edge {{ stroke: {palette['line']}; }}",
        f".bad text {{ fill: {palette['bad']}; }}",
        f".bad .box, .edge.bad {{ stroke: {palette['bad']}; }}",
    ]


def _edges(drawing: Drawing) -> Iterator[str]:
    """From the side of each parent to each child, around corners."""
    boxes = {box.node.key: box for box in drawing.boxes}
    for box in drawing.boxes:
        if box.node.parent is None:
            continue
        parent = boxes[box.node.parent]
        start, end = parent.x + parent.width, box.x
        middle = end - 28
        path = f"M{_number(start)} {_port(parent)} H{_number(middle)} V{_port(box)} H{_number(end)}"
        yield f'  <path class="edge{" bad" if box.is_broken else ""}" d="{path}"/>'


def _port(box: Box) -> str:
    """The height of the middle of its first line."""
    return _number(box.y + INSIDE + LINE / 2)


def _box(box: Box) -> Iterator[str]:
    kind = box.node.kind
    yield f'  <g class="{kind}{" bad" if box.is_broken else ""}">'
    place = f'x="{_number(box.x)}" y="{_number(box.y)}" width="{_number(box.width)}" height="{_number(box.height)}"'
    yield f'    <rect class="box" {place} rx="{_ROUND[kind]}"/>'
    for number, line in enumerate(box.lines):
        style = ' class="name"' if number == 0 else ""
        x, y = _number(box.x + INSIDE), _number(box.y + INSIDE + LINE * number + 12)
        yield f'    <text{style} x="{x}" y="{y}">{_text(line)}</text>'
    yield "  </g>"


def _text(text: str) -> str:
    """Fit to stand between two tags; what XML can't hold is written as `plain` does."""
    return escape(plain(text), quote=False)


def _number(value: float) -> str:
    """Without a point where it needs none, so that the file is the same on every machine."""
    return f"{value:.1f}".removesuffix(".0")
