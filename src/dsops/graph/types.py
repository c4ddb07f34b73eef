"""The data types of a graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

Kind = Literal["caller", "hop", "store", "variable"]

Status = Literal["ok", "denied", "failed", "skipped"]
"""`denied`: AWS denied access. `failed`: any other error. `skipped`: not tried, because its parent failed."""

Key = tuple[str, ...]
"""A node's identity, independent of its texts: `("step", "prod")`, `("variable", "production", "TOKEN")`."""

NO_CREDENTIALS: Key = ("nobody",)
"""The parent of literals and of stores without credentials."""


class NodeOutcome(NamedTuple):
    """The outcome of a node that was tried."""

    status: Status
    told: str = ""
    """The error's code, or the failed parent; "" for `ok`."""


class GraphNode(NamedTuple):
    """One caller, hop, store or variable; its texts are not escaped for any format."""

    key: Key
    kind: Kind
    name: str
    facts: tuple[str, ...]
    """Short facts for people; never a secret or a value."""
    parent: Key | None
    """The node that provides its credentials or value; None for callers."""
    account: str = ""
    """The account of its session; "" when it is not known."""
    environment: str = ""
    """The environment of a variable; "" for other kinds."""
    where: str = ""
    """File and line: `dsops.yaml:9`."""


class Graph(NamedTuple):
    """The nodes, each after its parent, and the outcomes of those that were tried."""

    title: str
    nodes: tuple[GraphNode, ...]
    outcomes: Mapping[Key, NodeOutcome] = {}

    @property
    def children(self) -> dict[Key | None, list[GraphNode]]:
        """Parent -> the nodes that get their credentials or value from it, in order; None -> callers."""
        children: dict[Key | None, list[GraphNode]] = {}
        for node in self.nodes:
            children.setdefault(node.parent, []).append(node)
        return children
