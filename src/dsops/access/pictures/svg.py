"""Write a graph of access as SVG. Edges lead from left to right, from the first caller to the goal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from dsops.access.pictures.make import AccessEdge, AccessGraph, AccessNode, escalation_text
from dsops.drawing import Item, arrow, broken, lay_out, plain
from dsops.graph import svg_file
from dsops.text import counted

_TOP: Final = 64
"""The height of the space for the title."""
_CORNERS: Final = {"role": 3, "group": 3, "resource": 3}
_ROUND: Final = 16


def access_svg(graph: AccessGraph) -> str:
    """Return the SVG file. Its description says the same in words, for screen readers."""
    columns = _columns(graph)
    states = _states(graph)
    drawing = lay_out([_item(node, columns[node.key], states.get(node.key, ())) for node in graph.nodes], _TOP)
    boxes = {box.item.key: box for box in drawing.boxes}
    drawn = [edge for edge in graph.edges if edge.start != edge.end or not edge.rules]
    arrows = (line for edge in drawn for line in arrow(boxes[edge.start,], boxes[edge.end,], _class(edge)))
    return svg_file(graph.title, "\n".join(map(plain, _words(graph))), _summary(graph), drawing, tuple(arrows))


def _columns(graph: AccessGraph) -> Mapping[str, int]:
    """Return the column of each node: its distance to the goal from the right, or from a first caller from the left."""
    ends: dict[str, list[str]] = {}
    goals = [node.key for node in graph.nodes if node.kind == "resource"]
    for edge in (edge for edge in graph.edges if edge.start != edge.end):
        start, end = (edge.end, edge.start) if goals else (edge.start, edge.end)
        ends.setdefault(start, []).append(end)
    targets = {end for of_start in ends.values() for end in of_start}
    first = goals or [node.key for node in graph.nodes if node.key not in targets]
    distances = _distances(first, ends)
    for node in graph.nodes:  # The remaining nodes are in cycles without a start.
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


def _states(graph: AccessGraph) -> Mapping[str, tuple[str, ...]]:
    """Map nodes to what makes them red: they are open to others, or escalate."""
    states = {node.key: ("open",) for node in graph.nodes if node.kind == "outside"}
    states |= {edge.start: ("open",) for edge in graph.edges if edge.is_open}
    rules: dict[str, dict[str, None]] = {}
    for edge in graph.edges:
        if edge.rules:
            rules.setdefault(edge.start, {}).update(dict.fromkeys(edge.rules))
    return states | {key: (*states.get(key, ()), escalation_text(tuple(each))) for key, each in rules.items()}


def _item(node: AccessNode, column: int, states: tuple[str, ...]) -> Item:
    name, state = broken([plain(node.text)]), broken(states)
    more = (f"and {node.alike} alike",) if node.alike else ()
    return Item(
        column,
        (*name, *state, *more),
        (node.key,),
        kind="caller" if node.kind == "user" else "store" if node.kind == "resource" else "hop",
        corner=_CORNERS.get(node.kind, _ROUND),
        state="denied" if states else "",
        state_lines=len(state) if len(name) == 1 else 0,
        title=node.key,
        lane=f"account {plain(node.frame)}" if node.frame else "",
    )


def _class(edge: AccessEdge) -> str:
    if edge.rules:
        return "failed"
    return "denied" if edge.is_open else "skipped" if edge.verdict != "yes" else ""


def _summary(graph: AccessGraph) -> str:
    alike = f"; {graph.alike} more are alike" if graph.alike else ""
    more = f"; {graph.left_out} more are not drawn" if graph.left_out else ""
    if graph.not_searched:
        more += f"; the escalations of {counted(graph.not_searched, 'principal')} are not known"
    drawn = f"{counted(len(graph.nodes), 'node')}, {counted(len(graph.edges), 'edge')}"
    return f"{drawn}{alike}{more}; dotted: under conditions; red: open to others, or an escalation"


def _words(graph: AccessGraph) -> Iterator[str]:
    texts = {node.key: node.text for node in graph.nodes}
    for edge in graph.edges:
        how = f"{edge.verdict}, {escalation_text(edge.rules)}" if edge.rules else edge.verdict
        yield f"{texts[edge.start]}: {edge.action} on {texts[edge.end]} ({how})"
