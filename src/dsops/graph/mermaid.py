"""Write the graph as a Mermaid flowchart, which GitHub and GitLab draw from a ```mermaid block."""

from __future__ import annotations

from collections.abc import Iterator

from dsops.drawing import plain
from dsops.graph.plain import is_broken, outcome_words
from dsops.graph.types import Graph, GraphNode, Key

MOST_EDGES, MOST_CHARACTERS = 500, 50_000
"""The default limits of Mermaid 11 (`maxEdges`, `maxTextSize`). A page can raise them, but a diagram can't."""

_SHAPES = {"caller": ("([", "])"), "hop": ("[", "]"), "store": ("[(", ")]"), "variable": ("(", ")")}

_CLASSES = (
    "  classDef caller stroke-width:2px",
    "  classDef variable stroke-dasharray:2 2",
    "  classDef ok stroke:#1a7f37,stroke-width:2px",
    "  classDef denied stroke:#d1242f,stroke-width:4px",
    "  classDef skipped stroke:#6e7781,stroke-dasharray:4 4",
)
"""Mermaid styles. They set only strokes, and leave the colours to the page's light or dark theme."""

_SAFE = frozenset(" abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789,:/=")
"""Characters that a label may contain unescaped.

All other characters are written as character codes. They include quotes, brackets, `#`, `<`, and characters that
Markdown would interpret as a list, a link or italics.
"""

_KEYWORDS = ("style", "classDef")
"""Words whose first letter is written as a character code.

If a line contains one of these words followed by a `:` and a `#`, Mermaid's `encodeEntities` removes a `;`.
"""


def mermaid_text(graph: Graph) -> str:
    """Return the flowchart, from left to right. The hops and stores of an account share a box."""
    lines = ["flowchart LR", f"  accTitle: {_title(graph.title)}", *_CLASSES]
    folded = _folded(graph)
    nodes = [node for node in graph.nodes if node.key not in folded]
    ids = {node.key: f"n{number}" for number, node in enumerate(nodes, 1)}
    accounts: dict[str, list[GraphNode]] = {}
    for node in nodes:
        # A variable belongs to no account, and a box around all variables would hide the hops.
        accounts.setdefault(node.account if node.kind in {"hop", "store"} else "", []).append(node)
    inside = graph.children if folded else {}
    for number, (account, members) in enumerate(sorted(accounts.items()), 1):
        if account:
            lines.append(f'  subgraph a{number}["account {label(account)}"]')
        for node in members:
            own = [each for each in inside.get(node.key, []) if each.key in folded]
            lines.append(f"  {'  ' if account else ''}{ids[node.key]}{_box(graph, node, own)}")
        if account:
            lines.append("  end")
    lines += _edges(graph, nodes, ids)
    return "\n".join(lines) + "\n"


def edges(graph: Graph) -> int:
    """Return the number of edges in the flowchart."""
    return sum(node.parent is not None for node in graph.nodes) - len(_folded(graph))


def _folded(graph: Graph) -> frozenset[Key]:
    """Return the variables that are drawn as lines of text in their store's box.

    These are all variables if the graph has more edges than Mermaid draws, and none otherwise.
    """
    if sum(node.parent is not None for node in graph.nodes) <= MOST_EDGES:
        return frozenset()
    return frozenset(node.key for node in graph.nodes if node.kind == "variable")


def _box(graph: Graph, node: GraphNode, inside: list[GraphNode]) -> str:
    """Return a node's shape, label and style. The label includes the variables in `inside`."""
    begin, end = _SHAPES[node.kind]
    text = "<br>".join([*_words(graph, node), *[": ".join(_words(graph, inner_node)) for inner_node in inside]])
    style = _style(graph, node, inside)
    return f'{begin}"{text}"{end}' + (f":::{style}" if style else "")


def _style(graph: Graph, node: GraphNode, inside: list[GraphNode]) -> str:
    """Return the CSS class of a node: its outcome if it has one, otherwise its kind.

    A failure of a node in `inside` counts as a failure of this node.
    """
    if any(is_broken(graph, inner_node) for inner_node in (node, *inside)):
        return "denied"
    outcome = graph.outcomes.get(node.key)
    if outcome is not None:
        return outcome.status
    return node.kind if node.kind in {"caller", "variable"} else ""


def _words(graph: Graph, node: GraphNode) -> list[str]:
    tried = outcome_words(graph, node)
    return [label(part) for part in (node.name, *([tried] if tried else []), *node.facts)]


def _edges(graph: Graph, nodes: list[GraphNode], ids: dict[Key, str]) -> Iterator[str]:
    for node in nodes:
        if node.parent is not None:
            # The edge is dotted if the node was tried and failed.
            yield f"  {ids[node.parent]} {'-.->' if is_broken(graph, node) else '-->'} {ids[node.key]}"


def label(text: str) -> str:
    """Escape the text of a label. Mermaid's notation for a character code is `#35;`."""
    plain_text = plain(text)
    return (
        "".join(
            character
            if (character in _SAFE or _is_inside(plain_text, at)) and not plain_text.startswith(_KEYWORDS, at)
            else f"#{ord(character)};"
            for at, character in enumerate(plain_text)
        )
        or "#32;"
    )


def _is_inside(text: str, at: int) -> bool:
    """Whether a character of a label can stay unescaped.

    This is true for:

    - a `.`, `-` or `_` inside a word, where neither Mermaid nor Markdown interprets it
    - a letter beyond ASCII
    """
    character = text[at]
    if character in "._-":
        return 0 < at < len(text) - 1 and _is_word(text[at - 1]) and _is_word(text[at + 1])
    return not character.isascii() and character.isalnum()


def _is_word(character: str) -> bool:
    return character.isalnum() and character.isascii()


def _title(text: str) -> str:
    """Return the title on one line.

    Mermaid does not decode character codes in a title, so characters that would need a code become spaces.
    """
    allowed = "".join(character if character.isalnum() or character in " .-_/" else " " for character in plain(text))
    return " ".join(allowed.split()) or "credentials"
