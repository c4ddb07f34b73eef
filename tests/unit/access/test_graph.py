"""Pictures of access: what is drawn and what is left out, in each format."""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree as ET

import jsonschema
import pytest

from dsops.access.escalations.find import Escalations
from dsops.access.pictures import steps
from dsops.access.pictures.make import (
    AccessEdge,
    AccessGraph,
    AccessNode,
    PictureLimits,
    graph_of_all,
    graph_of_goal,
    graph_of_principal,
)
from dsops.access.pictures.mermaid import access_mermaid
from dsops.access.pictures.open_graph import open_graph_text
from dsops.access.pictures.svg import access_svg
from dsops.access.questions.assuming import Assumptions
from dsops.access.questions.evaluator import Evaluator
from dsops.cli import main
from tests.unit.access.worlds import ACCOUNT, FOREIGN, NOW, OTHER, READ, SECRET, policy, trust, world_of

ALL = PictureLimits()
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


def questions(accounts: dict[str, Any] = ACCOUNTS) -> tuple[Evaluator, Assumptions]:
    """Return what answers questions about accounts."""
    evaluator = Evaluator(world_of(accounts), NOW)
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
    graph = graph_of_goal(*questions(), READ, SECRET, ALL)

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
    everything = graph_of_goal(*questions(), READ, SECRET, ALL)
    graph = graph_of_goal(*questions(), READ, SECRET, PictureLimits(*limits))

    assert len(graph.nodes) <= drawn
    assert len(everything.nodes) == len(graph.nodes) + graph.left_out
    assert graph.left_out > 0
    assert {edge.start for edge in graph.edges} | {edge.end for edge in graph.edges} == {
        node.key for node in graph.nodes
    }


def test_what_is_open_comes_first() -> None:
    """With little room, the way from outside is drawn rather than those within an account."""
    graph = graph_of_all(*questions(), PictureLimits(2))

    assert {(FOREIGN, "role/Vendor", "conditional")} == edges_of(graph)


def test_svg_has_frames_and_a_description() -> None:
    """Each account has one frame; each edge has one curve, and the words say the same."""
    graph = graph_of_all(*questions(), ALL)
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
    text = access_mermaid(graph_of_goal(*questions(), READ, SECRET, ALL))

    assert re.search(rf'subgraph a\d+\["account {ACCOUNT}"\]', text)
    assert '==>|"open, conditional"|' in text
    assert re.search(r'\[\("secret prod/db"\)\]:::goal', text)


def test_open_graph_has_the_form_that_bloodhound_reads() -> None:
    """The payload fits the schema, and each edge ends at a node of the payload."""
    payload = json.loads(open_graph_text(graph_of_goal(*questions(), READ, SECRET, ALL)))
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


ADMINISTRATOR = policy({"Action": "*"})
PASSES = policy({"Action": ["iam:PassRole", "lambda:CreateFunction", "lambda:InvokeFunction"]})
WRITES = policy({"Action": ["iam:PutUserPolicy", "iam:CreateAccessKey"]})
READER = {"trust": trust({"AWS": ACCOUNT}), "policies": [policy({"Action": READ})]}
ESCALATING: Final[dict[str, Any]] = {
    ACCOUNT: {
        "secrets": {"prod/db": "x"},
        "users": {"carol": {"policies": [PASSES]}, "dave": {"policies": [WRITES]}, "eve": {}},
        "roles": {
            "Runner": {
                "trust": trust({"Service": "lambda.amazonaws.com"}),
                "policies": [policy({"Action": [READ, "s3:*"]})],
            },
            "Boss": {"trust": trust({"Service": "lambda.amazonaws.com"}), "policies": [ADMINISTRATOR]},
        },
    }
}


def escalations_in(graph: AccessGraph) -> dict[tuple[str, str], tuple[bool, tuple[str, ...]]]:
    """Return the ends of each escalation, whether it leads to an administrator, and its rules."""
    return {
        (short(edge.start), short(edge.end)): (edge.is_administrator, edge.rules) for edge in graph.edges if edge.rules
    }


def test_escalations_are_edges() -> None:
    """Each principal and what it becomes is one edge with its rules; one that ends at its start is about itself."""
    found = escalations_in(graph_of_all(*questions(ESCALATING), ALL))

    assert (True, ("lambda-001",)) == found["user/carol", "role/Boss"]
    assert (False, ("lambda-001",)) == found["user/carol", "role/Runner"]
    assert "iam-007" in found["user/dave", "user/dave"][1]
    assert not [start for start, _ in found if start == "user/eve"]
    assert found == escalations_in(graph_of_all(*questions(ESCALATING), ALL))


def test_escalations_of_a_principal_and_to_a_goal() -> None:
    """A principal's picture has its own escalations; a goal's picture has those to principals that reach the goal."""
    of_carol = graph_of_principal(*questions(ESCALATING), f"arn:aws:iam::{ACCOUNT}:user/carol", ALL)
    goal = escalations_in(graph_of_goal(*questions(ESCALATING), READ, SECRET, ALL))

    assert {"user/carol"} == {start for start, _ in escalations_in(of_carol)}
    assert {("user/carol", "role/Boss"), ("user/carol", "role/Runner")} <= goal.keys()
    assert "user/eve" not in {end for _, end in goal}


def test_with_little_room_the_worst_escalation_is_drawn() -> None:
    """Of the escalations of a principal, one that leads to an administrator comes first."""
    drawn = escalations_in(graph_of_all(*questions(ESCALATING), PictureLimits(2)))

    assert {("user/carol", "role/Boss"): (True, ("lambda-001",))} == drawn


def test_escalations_in_each_format() -> None:
    """SVG marks the principal in words and red, Mermaid the edge; BloodHound gets a kind of its own."""
    graph = graph_of_all(*questions(ESCALATING), ALL)
    svg, flowchart, payload = access_svg(graph), access_mermaid(graph), json.loads(open_graph_text(graph))
    jsonschema.validate(payload, OPEN_GRAPH)
    edges = [edge for edge in payload["graph"]["edges"] if edge["kind"] == "DsopsCanEscalate"]

    assert 'class="edge failed"' in svg
    assert "escalates by lambda-001" in svg
    assert re.search(r"iam:PassRole on role Boss \(yes, escalates by lambda-001\)", svg)
    assert '==>|"escalates by lambda-001"|' in flowchart
    assert re.search(r"linkStyle [\d,]+ stroke:#d1242f", flowchart)
    assert len(escalations_in(graph)) == len(edges)
    assert {True, False} == {edge["properties"]["isadministrator"] for edge in edges}
    assert all(edge["properties"]["rules"] for edge in edges)


def many_accounts(count: int) -> dict[str, Any]:
    """Return accounts that are alike but for one role, which only the first account has."""
    accounts: dict[str, Any] = {
        f"{number:012}": {
            "users": {"carol": {"policies": [PASSES]}},
            "roles": {
                "Boss": ESCALATING[ACCOUNT]["roles"]["Boss"],
                "Vendor": {"trust": trust({"AWS": FOREIGN}), "policies": [HOP]},
            },
        }
        for number in range(1, count + 1)
    }
    accounts["000000000001"]["roles"]["Odd"] = {"trust": trust({"AWS": f"{2:012}"}), "policies": [HOP]}
    return accounts


def test_what_is_alike_in_many_accounts_is_drawn_once() -> None:
    """Ways that differ only in the account are one way with their number, so that nothing else is left out."""
    everything = graph_of_all(*questions(many_accounts(20)), ALL)
    graph = graph_of_all(*questions(many_accounts(20)), PictureLimits(60, merges_alike=True))
    alike = {(short(node.key), node.alike) for node in graph.nodes}

    assert {("role/Vendor", 19), ("role/Boss", 19), ("user/carol", 19), ("role/Odd", 0), (FOREIGN, 0)} <= alike
    assert 0 == graph.left_out
    assert len(everything.nodes) == len(graph.nodes) + graph.alike
    assert f"{graph.alike} more are alike" in access_svg(graph)
    assert "and 19 alike" in access_svg(graph)
    assert " and 19 alike" in access_mermaid(graph)


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
    assert ["role/Reader"] == [short(edge["to"]) for edge in found["edges"] if not edge["rules"]]


def test_a_search_for_escalations_that_ends_early_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Each picture says of how many principals the escalations are not known."""
    monkeypatch.setattr(steps, "Escalations", partial(Escalations, most_work=-1))
    all_of_them = graph_of_all(*questions(ESCALATING), ALL)
    of_goal = graph_of_goal(*questions(ESCALATING), READ, SECRET, ALL)
    carol = graph_of_principal(*questions(ESCALATING), f"arn:aws:iam::{ACCOUNT}:user/carol", ALL)
    seed = tmp_path / "seed.json"
    seed.write_text(json.dumps({"accounts": ESCALATING}), encoding="utf-8")

    assert all_of_them.not_searched > 1
    assert of_goal.not_searched == all_of_them.not_searched
    assert carol.not_searched >= 1
    number = f"the escalations of {all_of_them.not_searched} "
    assert f"{number}principals are not known" in access_svg(all_of_them)
    assert f"{number}more are not known" in access_mermaid(all_of_them)
    assert 0 == main(["access", "graph", "--from", str(seed), "--json"])
    captured = capfd.readouterr()
    assert json.loads(captured.out)["escalations_not_searched"] == all_of_them.not_searched
    assert f"{number}principals are not known: the search has a limit" in captured.err


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ((READ,), "RESOURCE is missing after the action"),
        ((READ, "prod/db", "--principal", "alice"), "ACTION and `--principal` can't be combined"),
        (("secretsmanager:Get*", "prod/db"), "`secretsmanager:Get*` is not an action"),
        (("--principal", "alicia"), "did you mean `alice`?"),
    ],
)
def test_mistakes_are_named(seed: str, capfd: pytest.CaptureFixture[str], words: tuple[str, ...], error: str) -> None:
    """Combinations without a meaning and misspelled names are usage errors."""
    assert 2 == main(["access", "graph", *words, "--from", seed])
    assert error in capfd.readouterr().err
