"""The graph as a Mermaid flowchart, which GitHub and GitLab draw from a ```mermaid block."""

from __future__ import annotations

from collections.abc import Iterator

from dsops.graph.plain import is_broken, outcome_words, plain
from dsops.graph.types import Graph, Key, Node

MOST_EDGES, MOST_CHARACTERS = 500, 50_000
"""What Mermaid draws unless the page says otherwise (`maxEdges`, `maxTextSize`); a diagram can't say it itself."""

_SHAPES = {"caller": ("([", "])"), "hop": ("[", "]"), "store": ("[(", ")]"), "variable": ("(", ")")}

_CLASSES = (
    "  classDef caller stroke-width:2px",
    "  classDef variable stroke-dasharray:2 2",
    "  classDef denied stroke:#d1242f,stroke-width:4px,color:#d1242f",
)
"""Strokes alone, so that the page's own light or dark colours stay."""

_SAFE = frozenset(" abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789,:/=")
"""What stands in a label as it is. Everything else is a character code: quotes, brackets, `#`, `<`, and what Markdown
would make a list, a link or italics of."""


def mermaid_text(graph: Graph) -> str:
    """The flowchart, from left to right; what works in one account stands in a box of its own."""
    lines = ["flowchart LR", f"  accTitle: {_title(graph.title)}", *_CLASSES]
    ids = {node.key: f"n{number}" for number, node in enumerate(graph.nodes, 1)}
    accounts: dict[str, list[Node]] = {}
    for node in graph.nodes:
        # A variable is nobody's account, and a box with all of them would hide the hops.
        accounts.setdefault(node.account if node.kind in {"hop", "store"} else "", []).append(node)
    for number, (account, nodes) in enumerate(sorted(accounts.items()), 1):
        if account:
            lines.append(f'  subgraph a{number}["account {label(account)}"]')
        lines += [f"  {'  ' if account else ''}{_node(graph, node, ids)}" for node in nodes]
        if account:
            lines.append("  end")
    lines += _edges(graph, ids)
    return "\n".join(lines) + "\n"


def _node(graph: Graph, node: Node, ids: dict[Key, str]) -> str:
    begin, end = _SHAPES[node.kind]
    tried = outcome_words(graph, node)
    parts = [node.name, *([tried] if tried else []), *node.facts]
    style = "denied" if is_broken(graph, node) else node.kind if node.kind in {"caller", "variable"} else ""
    text = "<br>".join(label(part) for part in parts)
    return f'{ids[node.key]}{begin}"{text}"{end}' + (f":::{style}" if style else "")


def _edges(graph: Graph, ids: dict[Key, str]) -> Iterator[str]:
    for node in graph.nodes:
        if node.parent is not None:
            # Dotted where nothing came through.
            yield f"  {ids[node.parent]} {'-.->' if is_broken(graph, node) else '-->'} {ids[node.key]}"


def label(text: str) -> str:
    """The text between the quotes of a label: `#35;` is Mermaid's own way to write a character by its code."""
    shown = plain(text)
    return "".join(
        each if each in _SAFE or _is_inside(shown, at) else f"#{ord(each)};" for at, each in enumerate(shown)
    ) or "#32;"


def _is_inside(text: str, at: int) -> bool:
    """Whether it is a `.`, `-` or `_` inside a word, where it means itself alone, or a letter beyond ASCII."""
    each = text[at]
    if each in "._-":
        return 0 < at < len(text) - 1 and _is_word(text[at - 1]) and _is_word(text[at + 1])
    return not each.isascii() and each.isalnum()


def _is_word(character: str) -> bool:
    return character.isalnum() and character.isascii()


def _title(text: str) -> str:
    """To the end of its line; no code is read there, so that what could end it is left out."""
    kept = "".join(each if each.isalnum() or each in " .-_/" else " " for each in plain(text))
    return " ".join(kept.split()) or "credentials"
