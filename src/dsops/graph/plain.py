"""Describe a node's outcome, and the number of nodes, as text."""

from __future__ import annotations

from dsops.drawing import plain
from dsops.graph.types import NO_CREDENTIALS, Graph, GraphNode


def outcome_words(graph: Graph, node: GraphNode) -> str:
    """Describe the node's outcome: `denied: sts.access-denied`, `ok`, `not tried: needs jump`; "" without one."""
    outcome = graph.outcomes.get(node.key)
    if outcome is None:
        return ""
    word = "not tried" if outcome.status == "skipped" else outcome.status
    return plain(f"{word}: {outcome.told}" if outcome.told else word)


def counts(graph: Graph) -> str:
    """Return the number of nodes of each kind: `1 caller, 2 hops, 3 stores, 4 variables`."""
    parts = []
    for kind in ("caller", "hop", "store", "variable"):
        number = sum(1 for node in graph.nodes if node.kind == kind and node.key != NO_CREDENTIALS)
        parts.append(f"{number} {kind}" if number == 1 else f"{number} {kind}s")
    return ", ".join(parts)


def is_broken(graph: Graph, node: GraphNode) -> bool:
    """Whether the node was tried and failed."""
    outcome = graph.outcomes.get(node.key)
    return outcome is not None and outcome.status in {"denied", "failed"}
