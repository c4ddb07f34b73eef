"""Write the graph as a tree of indented lines.

The tree has no branch characters, because a screen reader would read them out.
"""

from __future__ import annotations

from textwrap import wrap

from dsops.drawing import plain
from dsops.graph.outline import OutlineRow, outline
from dsops.graph.plain import counts, is_broken, outcome_words
from dsops.graph.types import Graph

_RED, _OFF = "\x1b[31m", "\x1b[0m"
_LEAST_COLUMNS = 24
"""Minimum number of columns for the text of a line, even if the line is deeply indented."""


def graph_text(graph: Graph, *, columns: int = 0, has_colour: bool = False) -> str:
    """Return the tree. Lines are wrapped at `columns` (0: never).

    With `has_colour`, failed nodes are red. The text states the failure as well.
    """
    lines = [plain(graph.title), counts(graph), ""]
    for row in outline(graph):
        text = f"{row.heading}:" if row.node is None else _node_text(graph, row)
        indent = "  " * row.level
        broken = _broken(text, indent, columns)
        if has_colour and row.node is not None and is_broken(graph, row.node):
            broken = [f"{_RED}{line}{_OFF}" for line in broken]
        lines += broken
    return "\n".join(lines) + "\n"


def _node_text(graph: Graph, row: OutlineRow) -> str:
    node = row.node
    assert node is not None  # noqa: S101 (the caller has checked this)
    tried = outcome_words(graph, node)
    name = f"{plain(node.name)} [{tried}]" if tried else plain(node.name)
    facts = ", ".join(plain(fact) for fact in node.facts)
    return f"{name}: {facts}" if facts else name


def _broken(text: str, indent: str, columns: int) -> list[str]:
    """Wrap the text at `columns`, but never inside an ARN, so that the ARN can be copied."""
    if not columns:
        return [f"{indent}{text}"]
    return wrap(
        text,
        width=max(columns, len(indent) + _LEAST_COLUMNS),
        initial_indent=indent,
        subsequent_indent=f"{indent}    ",
        break_long_words=False,
        break_on_hyphens=False,
    )
