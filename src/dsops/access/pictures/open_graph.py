"""Write a graph of access as OpenGraph, which BloodHound 8 reads.

Format: bloodhound.specterops.io/opengraph/schema. Properties are texts, numbers, booleans, or lists of one of these.
Their names are in lower case.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from dsops.access.pictures.make import AccessEdge, AccessGraph, AccessNode
from dsops.text import clean

SOURCE_KIND: Final = "DsopsAws"
"""The kind that all nodes have, with which BloodHound finds and deletes them."""
_KINDS: Final = {
    "user": "DsopsAwsUser",
    "role": "DsopsAwsRole",
    "group": "DsopsAwsGroup",
    "provider": "DsopsAwsProvider",
    "service": "DsopsAwsService",
    "outside": "DsopsAwsOutside",
    "resource": "DsopsAwsResource",
}
_ACCOUNT: Final = "DsopsAwsAccount"
CAN_ASSUME, CAN_DO, CAN_ESCALATE, CONTAINS = "DsopsCanAssume", "DsopsCanDo", "DsopsCanEscalate", "DsopsContains"


def open_graph_text(graph: AccessGraph) -> str:
    """Return the payload in JSON, with a node for each account that contains the account's principals."""
    frames = {node.account: node.frame for node in graph.nodes if node.account}
    accounts = [
        _node(f"account:{account}", _ACCOUNT, {"name": clean(frame), "accountid": account})
        for account, frame in sorted(frames.items())
    ]
    contains = [_edge(f"account:{node.account}", node.key, CONTAINS, {}) for node in graph.nodes if node.account]
    goals = {node.key for node in graph.nodes if node.kind == "resource"}
    edges = [
        _of_edge(edge, CAN_ESCALATE if edge.rules else CAN_DO if edge.end in goals else CAN_ASSUME)
        for edge in graph.edges
    ]
    nodes = [_of_node(node) for node in graph.nodes]
    payload = {
        "metadata": {"source_kind": SOURCE_KIND},
        "graph": {"nodes": [*accounts, *nodes], "edges": [*contains, *edges]},
    }
    return json.dumps(payload, indent=2) + "\n"


def _of_node(node: AccessNode) -> Mapping[str, object]:
    properties = {"name": clean(node.text), "accountid": node.account, "isoutside": node.kind == "outside"}
    return _node(node.key, _KINDS[node.kind], properties)


def _node(identifier: str, kind: str, properties: Mapping[str, object]) -> Mapping[str, object]:
    return {"id": clean(identifier), "kinds": [kind, SOURCE_KIND], "properties": properties}


def _of_edge(edge: AccessEdge, kind: str) -> Mapping[str, object]:
    properties = {
        "action": edge.action,
        "verdict": edge.verdict,
        "isopen": edge.is_open,
        "conditions": [clean(condition) for condition in edge.conditions],
        **({"rules": list(edge.rules), "isadministrator": edge.is_administrator} if edge.rules else {}),
    }
    return _edge(edge.start, edge.end, kind, properties)


def _edge(start: str, end: str, kind: str, properties: Mapping[str, object]) -> Mapping[str, object]:
    ends = ({"match_by": "id", "value": clean(name)} for name in (start, end))
    return {**dict(zip(("start", "end"), ends, strict=True)), "kind": kind, "properties": properties}
