"""The credential graph of a configuration: base credentials, hops, stores and variables. Does no I/O.

`make` builds a `Graph` from plans; `text`, `mermaid` and `svg` render it. The graph is a forest: each hop, store and
variable has one parent, which provides its credentials or value. Imported by `access`, `cli` and `doctor`.
"""

from __future__ import annotations

from dsops.graph.make import Unplanned, make_graph, plan_everything
from dsops.graph.mermaid import MOST_CHARACTERS, MOST_EDGES, edges, label, mermaid_text
from dsops.graph.svg import svg_file, svg_text
from dsops.graph.text import graph_text
from dsops.graph.types import Graph, GraphNode, Kind, NodeOutcome, Status

__all__ = [
    "MOST_CHARACTERS",
    "MOST_EDGES",
    "Graph",
    "GraphNode",
    "Kind",
    "NodeOutcome",
    "Status",
    "Unplanned",
    "edges",
    "graph_text",
    "label",
    "make_graph",
    "mermaid_text",
    "plan_everything",
    "svg_file",
    "svg_text",
]
