"""The data types of a graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

Kind = Literal["caller", "hop", "store", "variable"]

Status = Literal["ok", "denied", "failed", "skipped"]
"""`denied`: AWS denied access. `failed`: any other error. `skipped`: not tried, because the parent failed."""

Key = tuple[str, ...]
"""The key that identifies a node. It does not depend on the displayed texts.

Examples: `("step", "prod")`, `("variable", "production", "TOKEN")`.
"""

NO_CREDENTIALS: Key = ("nobody",)
"""The parent node of literals and of stores that need no credentials."""


class NodeOutcome(NamedTuple):
    """The outcome of a node that was tried."""

    status: Status
    told: str = ""
    """The error's code, the reason why the node was skipped, or a note; can be "" for `ok`."""


class GraphNode(NamedTuple):
    """A caller, hop, store or variable. Its texts are not escaped for any format."""

    key: Key
    kind: Kind
    name: str
    facts: tuple[str, ...]
    """Short facts to show to users. They contain no secret and no variable's value."""
    parent: Key | None
    """The node that provides this node's credentials or value; None for callers."""
    account: str = ""
    """The account of the node's session; "" if it is unknown."""
    environment: str = ""
    """The environment of a variable; "" for other kinds."""
    where: str = ""
    """File and line: `dsops.yaml:9`."""


class Graph(NamedTuple):
    """The nodes, each after its parent, and the outcomes of the nodes that were tried."""

    title: str
    nodes: tuple[GraphNode, ...]
    outcomes: Mapping[Key, NodeOutcome] = {}

    @property
    def children(self) -> dict[Key | None, list[GraphNode]]:
        """Maps a parent to its child nodes in order. The key None has the callers as children."""
        children: dict[Key | None, list[GraphNode]] = {}
        for node in self.nodes:
            children.setdefault(node.parent, []).append(node)
        return children
