"""Mermaid parses the output of `dsops graph --format mermaid` into the intended nodes, edges and texts."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from dsops.drawing import plain
from dsops.graph import MOST_EDGES, Graph, GraphNode, NodeOutcome, mermaid_text
from dsops.graph.types import Key
from tests.graphs import graph_of, many
from tests.installed import OUTSIDE, ToolMissingError, installed, tool
from tests.unit.graph.test_make import TEXT

SOURCE = Path(__file__).parent / "programs" / "mermaid"

# The first run installs Mermaid.
pytestmark = pytest.mark.timeout(600)

NASTY = (
    '"]; click n1 "javascript:alert(1)"',
    "</text><script>alert(1)</script>",
    "end",
    "#quot;",
    "&amp;lt;",
    "%%{init: {}}%%",
    "`code` **bold** _it_",
    "1. one",
    "- one",
    "[x](https://example.com)",
    "subgraph a1",
    "a\nb",
    "\x1b[31mred",
    "größe 名前",
    "-->",
    "::: denied",
    "|pipe|",
    "{brace}",
    "(round)",
    "\\",
    "~~~",
    "fa:fa-car",
    " ",
    "style n1 fill:#f00",
    "classDef denied fill:#f00;",
    "ﬂ°°35¶ß",
)


@pytest.fixture(scope="module")
def folder() -> Path:
    """The folder in which Mermaid is installed."""
    sources = [SOURCE / name for name in ("package.json", "package-lock.json", "parse.mjs")]
    try:
        npm = tool("npm", OUTSIDE)
        tool("node", OUTSIDE)
        install = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        return installed("mermaid", sources, [install], OUTSIDE)
    except ToolMissingError as error:
        pytest.skip(str(error))


def read(folder: Path, text: str) -> dict[str, Any]:
    """Parse a text with Mermaid; returns its diagram as JSON."""
    done = subprocess.run(
        [tool("node", OUTSIDE), str(folder / "parse.mjs")],
        input=text,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    understood: dict[str, Any] = json.loads(done.stdout)
    return understood


def words(box: dict[str, Any]) -> list[str]:
    """The lines of a node's label, with character codes decoded.

    Mermaid keeps character codes as ﬂ°°35¶ß until it renders.
    """
    return [re.sub("ﬂ°°(\\d+)¶ß", lambda code: chr(int(code[1])), part) for part in box["text"].split("<br>")]


def test_a_configuration_is_understood(folder: Path) -> None:
    """Mermaid draws every node with its label, every edge between the right nodes, and every account with its nodes."""
    graph = graph_of(TEXT)
    parsed = read(folder, mermaid_text(graph))
    assert parsed["type"] == "flowchart-v2"
    assert {f"n{at}": [node.name, *node.facts] for at, node in enumerate(graph.nodes, 1)} == {
        box["id"]: words(box) for box in parsed["boxes"]
    }
    ids = {node.key: f"n{at}" for at, node in enumerate(graph.nodes, 1)}
    lines = {(ids[node.parent], ids[node.key]) for node in graph.nodes if node.parent is not None}
    assert lines == {(edge["start"], edge["end"]) for edge in parsed["edges"]}
    assert {"account 111111111111", "account 222222222222"} == {group["title"] for group in parsed["groups"]}


def test_names_are_escaped(folder: Path) -> None:
    """Mermaid shows markup in the name of a node, fact, account or outcome as plain text."""
    nodes = [GraphNode(("base",), "caller", "base credentials", (), None)]
    nodes += [
        GraphNode(("step", str(at)), "hop", name, (name, "x"), ("base",), f"1{name}") for at, name in enumerate(NASTY)
    ]
    tried: dict[Key, NodeOutcome] = {("step", str(at)): NodeOutcome("denied", name) for at, name in enumerate(NASTY)}
    parsed = read(folder, mermaid_text(Graph("title " + "".join(NASTY), tuple(nodes), tried)))
    assert len(nodes) == len(parsed["boxes"])
    for name, box in zip(NASTY, sorted(parsed["boxes"], key=lambda box: int(box["id"][1:]))[1:], strict=True):
        label = plain(name)
        assert [label.strip(), f"denied: {label}".strip(), label.strip(), "x"] == [word.strip() for word in words(box)]
        assert box["classes"] == ["denied"]
    assert len(NASTY) == len(parsed["groups"]) == sum(edge["stroke"] == "dotted" for edge in parsed["edges"])


def test_the_limit_of_edges(folder: Path) -> None:
    """Mermaid draws MOST_EDGES edges and refuses one more; 300 stores with 300 variables stay below the limit."""
    chain = "\n".join(["flowchart LR", *[f"  n0 --> n{number + 1}" for number in range(MOST_EDGES)]])
    assert MOST_EDGES == len(read(folder, chain)["edges"])
    with pytest.raises(AssertionError, match="Edge limit exceeded"):
        read(folder, f"{chain}\n  n0 --> n0\n")
    assert 300 == len(read(folder, mermaid_text(graph_of(many(300, 5))))["edges"])
