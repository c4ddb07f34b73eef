"""Pictures of access: what is drawn and what is left out, in each format."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree as ET

import jsonschema
import pytest

from dsops.access.pictures.make import AccessEdge, AccessGraph, AccessNode, graph_of_all, graph_of_goal
from dsops.access.pictures.mermaid import access_mermaid
from dsops.access.pictures.open_graph import open_graph_text
from dsops.access.pictures.svg import access_svg
from dsops.access.questions.assuming import Assumptions
from dsops.access.questions.evaluator import Evaluator
from dsops.cli import main
from tests.unit.access.worlds import ACCOUNT, FOREIGN, NOW, OTHER, READ, SECRET, policy, trust, world_of

HOP = policy({"Action": "sts:AssumeRole"})
ACCOUNTS: Final[dict[str, Any]] = {
    ACCOUNT: {
        "secrets": {"prod/db": "x"},
        "users": {"alice": {"policies": [HOP]}, "bob": {}},
        "roles": {
            "Reader": {"trust": trust({"AWS": [ACCOUNT, OTHER]}), "policies": [policy({"Action": READ})]},
            "Vendor": {
                "trust": trust({"AWS": FOREIGN}, StringEquals={"sts:ExternalId": "hush-hush"}),
                "policies": [HOP],
            },
        },
    },
    OTHER: {"roles": {"Far": {"trust": trust({"AWS": f"arn:aws:iam::{ACCOUNT}:role/Vendor"}), "policies": [HOP]}}},
}
PROPERTIES: Final = {
    "type": "object",
    "propertyNames": {"pattern": "^[a-z]+$"},
    "additionalProperties": {
        "anyOf": [{"type": ["string", "number", "boolean"]}, {"type": "array", "items": {"type": "string"}}]
    },
}
END: Final = {
    "type": "object",
    "properties": {"match_by": {"const": "id"}, "value": {"type": "string", "minLength": 1}},
    "required": ["match_by", "value"],
    "additionalProperties": False,
}
OPEN_GRAPH: Final = {
    "type": "object",
    "properties": {
        "metadata": {
            "type": "object",
            "properties": {"source_kind": {"type": "string"}},
            "additionalProperties": False,
        },
        "graph": {
            "type": "object",
            "properties": {
                "nodes": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            "id": {"type": "string", "minLength": 1},
                            "kinds": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 3},
                            "properties": PROPERTIES,
                        },
                        "required": ["id", "kinds", "properties"],
                        "additionalProperties": False,
                    },
                },
                "edges": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            "start": END,
                            "end": END,
                            "kind": {"type": "string", "pattern": "^[A-Za-z0-9_]+$"},
                            "properties": PROPERTIES,
                        },
                        "required": ["start", "end", "kind", "properties"],
                        "additionalProperties": False,
                    },
                },
            },
            "required": ["nodes", "edges"],
            "additionalProperties": False,
        },
    },
    "required": ["graph"],
    "additionalProperties": False,
}
"""What BloodHound's page on OpenGraph says of a payload, without the parts that dsops does not write."""


def questions() -> tuple[Evaluator, Assumptions]:
    """Return what answers questions about the accounts above."""
    evaluator = Evaluator(world_of(ACCOUNTS), NOW)
    return evaluator, Assumptions(evaluator)


def short(key: str) -> str:
    """Return the last part of an ARN."""
    return key.rpartition(":")[2]


def edges_of(graph: AccessGraph) -> set[tuple[str, str, str]]:
    """Return the ends and the verdict of each edge, without those of the seed's own administrators."""
    return {
        (short(edge.start), short(edge.end), edge.verdict)
        for edge in graph.edges
        if not edge.start.endswith("user/admin")
    }


def test_the_ways_to_a_goal() -> None:
    """The graph has the best way of each principal, and nobody who can't reach the goal."""
    graph = graph_of_goal(*questions(), READ, SECRET, (0, 0))

    assert {
        ("role/Reader", "prod/db-000000", "yes"),
        ("user/alice", "role/Reader", "yes"),
        ("role/Far", "role/Reader", "yes"),
        ("role/Vendor", "role/Reader", "yes"),
        (FOREIGN, "role/Vendor", "conditional"),
    } == edges_of(graph)
    (foreign,) = [edge for edge in graph.edges if edge.start == FOREIGN]
    assert foreign.is_open
    assert foreign.conditions == ("if sts:ExternalId StringEquals ***",)


@pytest.mark.parametrize(("limits", "drawn"), [((0, 2), 7), ((5, 0), 5), ((2, 1), 2)])
def test_limits(limits: tuple[int, int], drawn: int) -> None:
    """Ways that are too long, or too many, are left out, and the number of the principals on them is told."""
    everything = graph_of_goal(*questions(), READ, SECRET, (0, 0))
    graph = graph_of_goal(*questions(), READ, SECRET, limits)

    assert len(graph.nodes) <= drawn
    assert len(everything.nodes) == len(graph.nodes) + graph.left_out
    assert graph.left_out > 0
    assert {edge.start for edge in graph.edges} | {edge.end for edge in graph.edges} == {
        node.key for node in graph.nodes
    }


def test_what_is_open_comes_first() -> None:
    """With little room, the way from outside is drawn rather than those within an account."""
    graph = graph_of_all(*questions(), (2, 0))

    assert {(FOREIGN, "role/Vendor", "conditional")} == edges_of(graph)


def test_svg_has_frames_and_a_description() -> None:
    """Each account has one frame; each edge has one curve, and the words say the same."""
    graph = graph_of_all(*questions(), (0, 0))
    text = access_svg(graph)
    root = ET.fromstring(text.encode())  # noqa: S314 - our own text
    names = {element.text for element in root.iter() if element.get("class") == "frame-name"}
    paths = [element for element in root.iter() if element.tag.endswith("path")]

    assert {f"account {ACCOUNT}", f"account {OTHER}"} == names
    assert len(graph.edges) == len(paths)
    assert f"account {FOREIGN}, which is not among the facts: sts:AssumeRole on role Vendor (conditional)" in text
    assert "hush" not in text


def test_mermaid_has_boxes_and_kinds_of_lines() -> None:
    """A way from outside has a thick line, and the goal its own style."""
    text = access_mermaid(graph_of_goal(*questions(), READ, SECRET, (0, 0)))

    assert re.search(rf'subgraph a\d+\["account {ACCOUNT}"\]', text)
    assert '==>|"open, conditional"|' in text
    assert re.search(r'\[\("secret prod/db"\)\]:::goal', text)


def test_open_graph_has_the_form_that_bloodhound_reads() -> None:
    """The payload fits the schema, and each edge ends at a node of the payload."""
    payload = json.loads(open_graph_text(graph_of_goal(*questions(), READ, SECRET, (0, 0))))
    jsonschema.validate(payload, OPEN_GRAPH)
    ids = {node["id"] for node in payload["graph"]["nodes"]}
    ends = {edge[side]["value"] for edge in payload["graph"]["edges"] for side in ("start", "end")}

    assert ends <= ids
    assert len(ids) == len(payload["graph"]["nodes"])
    assert {"DsopsCanAssume", "DsopsCanDo", "DsopsContains"} == {edge["kind"] for edge in payload["graph"]["edges"]}


def test_a_cycle_is_drawn() -> None:
    """Roles that assume each other have columns, although no caller is the first."""
    nodes = tuple(AccessNode(key, "role", f"role {key}", ACCOUNT, ACCOUNT) for key in "abc")
    edges = tuple(AccessEdge(start, end, "sts:AssumeRole", "yes", is_open=False) for start, end in ("ab", "bc", "ca"))

    assert 3 == access_svg(AccessGraph("cycle", nodes, edges)).count('<path class="edge"')


EVIL: Final = 'x\n\x1b[31m<script>alert(1)</script>"]; click n1 "javascript:x" %%'


@pytest.mark.parametrize("write", [access_svg, access_mermaid, open_graph_text])
def test_names_are_escaped(write: Any) -> None:
    """A name with HTML, quotes, line breaks and terminal codes can't leave its place."""
    node = AccessNode(f"arn:aws:iam::{ACCOUNT}:role/{EVIL}", "role", f"role {EVIL}", ACCOUNT, f"{ACCOUNT} ({EVIL})")
    edge = AccessEdge(node.key, node.key, "sts:AssumeRole", "conditional", is_open=True, conditions=(EVIL,))
    text = write(AccessGraph(EVIL, (node,), (edge,)))

    assert "\x1b" not in text
    if write is open_graph_text:
        jsonschema.validate(json.loads(text), OPEN_GRAPH)
    else:
        assert "<script" not in text
    if write is access_svg:
        ET.fromstring(text.encode())  # noqa: S314 - our own text
    if write is access_mermaid:
        assert not any(line.strip().startswith("click") for line in text.splitlines())
        assert 'x"' not in text


@pytest.fixture
def seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A file with a seed in the working folder."""
    monkeypatch.chdir(tmp_path)
    Path("seed.json").write_text(json.dumps({"accounts": ACCOUNTS}), encoding="utf-8")
    return "seed.json"


def test_the_command_writes_each_format(seed: str, capfd: pytest.CaptureFixture[str]) -> None:
    """SVG is the default; the number of principals that are left out is told on stderr."""
    assert 0 == main(["access", "graph", "--from", seed, "--limit", "3"])
    captured = capfd.readouterr()
    assert captured.out.startswith("<?xml")
    assert "left out of the picture" in captured.err
    for layout, start in (("mermaid", "flowchart LR"), ("json", "{"), ("opengraph", "{")):
        assert 0 == main(["access", "graph", READ, "prod/db", "--from", seed, "--format", layout])
        assert capfd.readouterr().out.startswith(start)
    assert 0 == main(["access", "graph", "--from", seed, "--principal", "alice", "--json", "--out", "graph.json"])
    found = json.loads(Path("graph.json").read_text(encoding="utf-8"))
    assert ["role/Reader"] == [short(edge["to"]) for edge in found["edges"]]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ((READ,), "the action has no resource"),
        ((READ, "prod/db", "--principal", "alice"), "a picture is of a goal or of a principal"),
        (("secretsmanager:Get*", "prod/db"), "can't be asked about"),
        (("--principal", "alicia"), "did you mean `alice`?"),
    ],
)
def test_mistakes_are_named(seed: str, capfd: pytest.CaptureFixture[str], words: tuple[str, ...], error: str) -> None:
    """Combinations without a meaning and misspelled names are usage errors."""
    assert 2 == main(["access", "graph", *words, "--from", seed])
    assert error in capfd.readouterr().err
