"""What a graph is made of; values only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

Kind = Literal["caller", "hop", "store", "variable"]

Status = Literal["ok", "denied", "failed", "skipped"]
"""`denied`: AWS said no. `failed`: anything else that went wrong. `skipped`: not tried, for what it needs failed."""

Key = tuple[str, ...]
"""What a node is, whichever of its texts change: `("step", "prod")`, `("variable", "production", "TOKEN")`."""

NOBODY: Key = ("nobody",)
"""Where literals and stores without credentials begin."""


class NodeOutcome(NamedTuple):
    """What became of a node that was tried."""

    status: Status
    told: str = ""
    """The error's code, or what it needs; "" where all is well."""


class GraphNode(NamedTuple):
    """One caller, hop, store or variable; texts as they are, not yet fit for any format."""

    key: Key
    kind: Kind
    name: str
    facts: tuple[str, ...]
    """What a person wants to know of it, a few words each; never a secret, never a value."""
    parent: Key | None
    """Where its credentials or value come from; None for callers."""
    account: str = ""
    """Whose session it gives or works with; "" where that is not known."""
    environment: str = ""
    """Of a variable."""
    where: str = ""
    """`dsops.yaml:9`."""


class Graph(NamedTuple):
    """The nodes, each after its parent, and what became of those that were tried."""

    title: str
    nodes: tuple[GraphNode, ...]
    outcomes: Mapping[Key, NodeOutcome] = {}

    @property
    def children(self) -> dict[Key | None, list[GraphNode]]:
        """Key -> what has its credentials or value from there, in order; None -> callers."""
        found: dict[Key | None, list[GraphNode]] = {}
        for node in self.nodes:
            found.setdefault(node.parent, []).append(node)
        return found
