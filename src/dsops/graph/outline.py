"""The graph as rows from top to bottom. Each node comes after its parent, and hops are grouped by account."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from dsops.graph.types import NO_CREDENTIALS, Graph, GraphNode

_MANY = 6
"""The minimum number of sibling hops for which the outline prints a heading for each account."""


class OutlineRow(NamedTuple):
    """A row of the outline: a node, or a heading for the nodes that follow."""

    depth: int
    """The number of steps from the caller."""
    level: int
    """The indentation level. It equals the depth, plus 1 for a node below an account's heading."""
    node: GraphNode | None
    heading: str = ""


def outline(graph: Graph) -> list[OutlineRow]:
    """Return every node once, depth first. Below each parent: its variables, then stores, then hops by account."""
    children = graph.children
    rows: list[OutlineRow] = []
    # The node for "no credentials" comes last.
    callers = sorted(children.get(None, []), key=lambda node: node.key == NO_CREDENTIALS)
    # The loop is not recursive, because a configuration may have a chain of a thousand hops.
    waiting = [OutlineRow(0, 0, node) for node in reversed(callers)]
    while waiting:
        row = waiting.pop()
        rows.append(row)
        if row.node is not None:
            below = _arranged(children.get(row.node.key, []), row.depth + 1, row.level + 1)
            waiting.extend(reversed(list(below)))
    return rows


def _arranged(nodes: list[GraphNode], depth: int, level: int) -> Iterator[OutlineRow]:
    yield from (OutlineRow(depth, level, node) for node in nodes if node.kind == "variable")
    yield from (OutlineRow(depth, level, node) for node in nodes if node.kind == "store")
    hops = [node for node in nodes if node.kind == "hop"]
    accounts: dict[str, list[GraphNode]] = {}
    for hop in hops:
        accounts.setdefault(hop.account, []).append(hop)
    has_headings = len(hops) >= _MANY and len(accounts) > 1
    for account, group in accounts.items():
        if has_headings:
            yield OutlineRow(depth, level, None, heading(account, len(group)))
        yield from (OutlineRow(depth, level + 1 if has_headings else level, node) for node in group)


def heading(account: str, hops: int) -> str:
    """Return the heading for an account's hops, such as `account 111122223333, 25 hops`."""
    name = f"account {account}" if account else "account not known"
    return f"{name}, {hops} hop" if hops == 1 else f"{name}, {hops} hops"
