"""Convert a graph to boxes for drawing: each node's lines, corner radius, and whether it failed."""

from __future__ import annotations

from dsops.drawing import CHARACTERS, Drawing, Item, broken, plain
from dsops.drawing import lay_out as lay_out_items
from dsops.graph.outline import OutlineRow, outline
from dsops.graph.plain import is_broken, outcome_words
from dsops.graph.types import Graph

_CORNERS = {"caller": 16, "hop": 3, "store": 3, "variable": 10}


def lay_out(graph: Graph, top: float) -> Drawing:
    """Lay out the drawing, starting at height `top`."""
    return lay_out_items([_item(graph, row) for row in outline(graph)], top)


def _item(graph: Graph, row: OutlineRow) -> Item:
    """The box of a row: name, outcome and facts on separate lines."""
    node = row.node
    if node is None:
        return Item(row.depth, (row.heading,), None)
    tried = outcome_words(graph, node)
    lines = broken([plain(node.name), *([tried] if tried else []), *_joined([plain(fact) for fact in node.facts])])
    return Item(row.depth, lines, node.key, node.parent, node.kind, _CORNERS[node.kind], is_broken(graph, node))


def _joined(facts: list[str]) -> list[str]:
    """Short facts, joined on one line where they fit."""
    joined: list[str] = []
    for fact in facts:
        if joined and len(joined[-1]) + len(fact) + 2 <= CHARACTERS:
            joined[-1] += f", {fact}"
        else:
            joined.append(fact)
    return joined
