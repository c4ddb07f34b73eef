"""Write a graph of access as a Mermaid flowchart."""

from __future__ import annotations

from typing import Final

from dsops.access.pictures.make import AccessEdge, AccessGraph, AccessNode, escalation_text
from dsops.graph import label

_SHAPES: Final = {
    "user": ("([", "])"),
    "role": ("[", "]"),
    "group": ("[[", "]]"),
    "provider": ("([", "])"),
    "service": ("([", "])"),
    "outside": ("{{", "}}"),
    "resource": ("[(", ")]"),
}
_RED: Final = "stroke:#d1242f"
_STYLES: Final = (f"  classDef open {_RED},stroke-width:4px", "  classDef goal stroke-width:3px")


def access_mermaid(graph: AccessGraph) -> str:
    """Return the flowchart. Each account is a box; an edge with conditions is dotted.

    An edge from outside and an escalation are thick and red.
    """
    lines = ["flowchart LR", *_STYLES]
    ids = {node.key: f"n{number}" for number, node in enumerate(graph.nodes, 1)}
    frames: dict[str, list[AccessNode]] = {}
    for node in graph.nodes:
        frames.setdefault(node.frame, []).append(node)
    for number, (frame, nodes) in enumerate(frames.items(), 1):
        if frame:
            lines.append(f'  subgraph a{number}["account {label(frame)}"]')
        lines += [f"  {'  ' if frame else ''}{ids[node.key]}{_box(node)}" for node in nodes]
        if frame:
            lines.append("  end")
    lines += [f"  {ids[edge.start]} {_arrow(edge)} {ids[edge.end]}" for edge in graph.edges]
    red = [str(number) for number, edge in enumerate(graph.edges) if edge.is_open or edge.rules]
    if red:
        lines.append(f"  linkStyle {','.join(red)} {_RED}")
    if graph.left_out:
        lines.append(f'  more["{graph.left_out} more are not drawn"]')
    if graph.not_searched:
        lines.append(f'  unknown["the escalations of {graph.not_searched} more are not known"]')
    return "\n".join(lines) + "\n"


def _box(node: AccessNode) -> str:
    begin, end = _SHAPES[node.kind]
    style = ":::open" if node.kind == "outside" else ":::goal" if node.kind == "resource" else ""
    more = f" and {node.alike} alike" if node.alike else ""
    return f'{begin}"{label(node.text)}{more}"{end}{style}'


def _arrow(edge: AccessEdge) -> str:
    line = "==>" if edge.is_open or edge.rules else "-.->" if edge.verdict != "yes" else "-->"
    escalation = escalation_text(edge.rules) if edge.rules else ""
    words = [word for word in (escalation, "open" if edge.is_open else "", edge.verdict) if word not in ("", "yes")]
    return f'{line}|"{label(", ".join(words))}"|' if words else line
