"""Write the graph as a self-contained SVG file, for light and dark pages. It has no script, font or link.

Each account has one frame. An outcome is shown in three ways: in words, by the line style, and by a colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from dsops.drawing import CHARACTERS, MARGIN, Drawing, Item, broken, fit, number, plain, shapes
from dsops.drawing import lay_out as lay_out_items
from dsops.graph.outline import outline
from dsops.graph.plain import counts, outcome_words
from dsops.graph.text import graph_text
from dsops.graph.types import Graph, GraphNode

_TOP = 64
"""The height of the space for the title."""
_CORNERS = {"caller": 16, "hop": 3, "store": 3, "variable": 10}
"""The corner radius of each kind of box."""

# Every pair of text and background has a contrast of at least 7 to 1 (WCAG 2.2, 1.4.6); a test computes it.
LIGHT = {
    "paper": "#ffffff",
    "box": "#f4f6f8",
    "ink": "#1b1f24",
    "line": "#57606a",
    "bad": "#8f1d1d",
    "good": "#0b5227",
    "soft": "#434b54",
}
DARK = {
    "paper": "#0d1117",
    "box": "#1c2430",
    "ink": "#f0f3f6",
    "line": "#b1bac4",
    "bad": "#ff9a92",
    "good": "#7ee2a0",
    "soft": "#b8c1cb",
}

_STYLE = """\
    svg { font: 12px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
    .name, .title, .state, .frame-name { font-weight: bold; }
    .title { font-size: 16px; }
    .edge, .frame { fill: none; }
    .caller .box { stroke-width: 2; }
    .ok .box { stroke-width: 2; }
    .denied .box, .failed .box { stroke-width: 3; stroke-dasharray: 6 3; }
    .edge.denied, .edge.failed { stroke-dasharray: 6 3; }
    .skipped .box, .edge.skipped { stroke-dasharray: 2 3; }"""


def svg_text(graph: Graph) -> str:
    """Return the SVG file. Its description contains the tree as text, for screen readers."""
    return svg_file(graph.title, graph_text(graph), counts(graph), lay_out(graph, _TOP))


def svg_file(title: str, description: str, summary: str, drawing: Drawing, edges: Sequence[str] = ()) -> str:
    """Return a drawing as a file.

    - `description`: the content in words, for screen readers.
    - `summary`: the line below the title, as XML.
    - `edges`: SVG elements that are drawn below the boxes.
    """
    wide, high = number(max(drawing.width, 400)), number(drawing.height)
    return "\n".join(
        [
            '<?xml version="1.0" encoding="UTF-8"?>',
            _opening(wide, high),
            f'  <title id="title">{fit(title)}</title>',
            f'  <desc id="desc">{escape(description, quote=False)}</desc>',
            "  <style>",
            _STYLE,
            *(f"    {rule}" for rule in _colours(LIGHT)),
            "    @media (prefers-color-scheme: dark) {",
            *(f"      {rule}" for rule in _colours(DARK)),
            "    }",
            "  </style>",
            '  <rect class="paper" width="100%" height="100%"/>',
            f'  <text class="title" x="{MARGIN}" y="28">{fit(title)}</text>',
            f'  <text x="{MARGIN}" y="48">{summary}</text>',
            *edges,
            *shapes(drawing),
            "</svg>\n",
        ]
    )


def _opening(wide: str, high: str) -> str:
    size = f'width="{wide}" height="{high}" viewBox="0 0 {wide} {high}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="title desc">'


def _colours(palette: dict[str, str]) -> list[str]:
    """Return CSS rules for the colours.

    The rules use no CSS variables, because many SVG viewers support neither those nor `prefers-color-scheme`.
    """
    return [
        f".paper {{ fill: {palette['paper']}; }}",
        f"text {{ fill: {palette['ink']}; }}",
        f".box {{ fill: {palette['box']}; stroke: {palette['line']}; }}",
        f".edge, .frame {{ stroke: {palette['line']}; }}",
        f".arrow {{ fill: {palette['line']}; }}",
        *_state_colours("ok", palette["good"]),
        *_state_colours("skipped", palette["soft"]),
        *_state_colours("denied", palette["bad"]),
        *_state_colours("failed", palette["bad"]),
        f".denied text, .failed text {{ fill: {palette['bad']}; }}",
    ]


def _state_colours(state: str, colour: str) -> list[str]:
    return [
        f".{state} .state, .arrow.{state} {{ fill: {colour}; }}",
        f".{state} .box, .edge.{state} {{ stroke: {colour}; }}",
    ]


def lay_out(graph: Graph, top: float) -> Drawing:
    """Compute the positions of the graph's boxes, starting at height `top`."""
    rows = [(row.depth, row.node) for row in outline(graph) if row.node is not None]
    return lay_out_items([_item(graph, depth, node) for depth, node in rows], top)


def _item(graph: Graph, depth: int, node: GraphNode) -> Item:
    """Return the box of a node, with name, outcome and facts on separate lines, in the frame of its account."""
    outcome, tried = graph.outcomes.get(node.key), outcome_words(graph, node)
    name, state = broken([plain(node.name)]), broken([tried] if tried else [])
    return Item(
        depth,
        (*name, *state, *broken(_joined([plain(fact) for fact in node.facts]))),
        node.key,
        node.parent,
        node.kind,
        _CORNERS[node.kind],
        outcome.status if outcome else "",
        len(state) if len(name) == 1 else 0,
        lane=f"account {plain(node.account)}" if node.account else "",
    )


def _joined(facts: list[str]) -> list[str]:
    """Join short facts on one line where they fit."""
    joined: list[str] = []
    for fact in facts:
        if joined and len(joined[-1]) + len(fact) + 2 <= CHARACTERS:
            joined[-1] += f", {fact}"
        else:
            joined.append(fact)
    return joined
