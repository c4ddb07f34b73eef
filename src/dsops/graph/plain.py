"""What became of a node, and how many there are, in words."""

from __future__ import annotations

from dsops.drawing import plain
from dsops.graph.types import NOBODY, Graph, GraphNode


def outcome_words(graph: Graph, node: GraphNode) -> str:
    """`denied: sts.access-denied`, `ok`, `not tried: needs jump`; "" where nothing was tried."""
    outcome = graph.outcomes.get(node.key)
    if outcome is None:
        return ""
    word = "not tried" if outcome.status == "skipped" else outcome.status
    return plain(f"{word}: {outcome.told}" if outcome.told else word)


def counts(graph: Graph) -> str:
    """`1 caller, 2 hops, 3 stores, 4 variables`."""
    parts = []
    for kind in ("caller", "hop", "store", "variable"):
        number = sum(1 for node in graph.nodes if node.kind == kind and node.key != NOBODY)
        parts.append(f"{number} {kind}" if number == 1 else f"{number} {kind}s")
    return ", ".join(parts)


def is_broken(graph: Graph, node: GraphNode) -> bool:
    """Whether it was tried and did not work."""
    outcome = graph.outcomes.get(node.key)
    return outcome is not None and outcome.status in {"denied", "failed"}
