"""Write a graph of access as SVG. Edges lead from left to right, from the first caller to the goal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from dsops.access.pictures.make import AccessEdge, AccessGraph, AccessNode
from dsops.drawing import Item, arrow, broken, lay_out, plain
from dsops.graph import svg_file
from dsops.text import counted

_TOP: Final = 64
"""The height of the space for the title."""
_CORNERS: Final = {"role": 3, "resource": 3}
_ROUND: Final = 16


def access_svg(graph: AccessGraph) -> str:
    """Return the SVG file. Its description says the same in words, for screen readers."""
    columns = _columns(graph)
    open_ends = {edge.start for edge in graph.edges if edge.is_open}
    drawing = lay_out([_item(node, columns[node.key], open_ends) for node in graph.nodes], _TOP)
    boxes = {box.item.key: box for box in drawing.boxes}
    arrows = (line for edge in graph.edges for line in arrow(boxes[edge.start,], boxes[edge.end,], _class(edge)))
    return svg_file(graph.title, "\n".join(map(plain, _words(graph))), _summary(graph), drawing, tuple(arrows))


def _columns(graph: AccessGraph) -> Mapping[str, int]:
    """Return the column of each node: its distance to the goal from the right, or from a first caller from the left."""
    ends: dict[str, list[str]] = {}
    goals = [node.key for node in graph.nodes if node.kind == "resource"]
    for edge in graph.edges:
        start, end = (edge.end, edge.start) if goals else (edge.start, edge.end)
        ends.setdefault(start, []).append(end)
    targets = {end for of_start in ends.values() for end in of_start}
    first = goals or [node.key for node in graph.nodes if node.key not in targets]
    distances = _distances(first, ends)
    for node in graph.nodes:  # what remains is in a cycle that no caller leads into
        if node.key not in distances:
            distances |= _distances([node.key], ends, distances)
    most = max(distances.values(), default=0)
    return {key: most - distance if goals else distance for key, distance in distances.items()}


def _distances(
    first: Sequence[str], ends: Mapping[str, Sequence[str]], known: Mapping[str, int] | None = None
) -> dict[str, int]:
    """Return the number of edges from the first nodes to each node that they reach."""
    distances = {**(known or {}), **dict.fromkeys(first, 0)}
    waiting = list(first)
    for key in waiting:
        for end in ends.get(key, ()):
            if end not in distances:
                distances[end] = distances[key] + 1
                waiting.append(end)
    return distances


def _item(node: AccessNode, column: int, open_ends: set[str]) -> Item:
    is_open = node.kind == "outside" or node.key in open_ends
    name, state = broken([plain(node.text)]), ("open",) if is_open else ()
    return Item(
        column,
        (*name, *state),
        (node.key,),
        kind="caller" if node.kind == "user" else "store" if node.kind == "resource" else "hop",
        corner=_CORNERS.get(node.kind, _ROUND),
        state="denied" if is_open else "",
        state_lines=len(state) if len(name) == 1 else 0,
        title=node.key,
        lane=f"account {plain(node.frame)}" if node.frame else "",
    )


def _class(edge: AccessEdge) -> str:
    return "denied" if edge.is_open else "skipped" if edge.verdict != "yes" else ""


def _summary(graph: AccessGraph) -> str:
    more = f"; {graph.left_out} more are not drawn" if graph.left_out else ""
    return f"{counted(len(graph.nodes), 'node')}, {counted(len(graph.edges), 'edge')}{more}; dotted: under conditions"


def _words(graph: AccessGraph) -> Iterator[str]:
    texts = {node.key: node.text for node in graph.nodes}
    for edge in graph.edges:
        yield f"{texts[edge.start]}: {edge.action} on {texts[edge.end]} ({edge.verdict})"
