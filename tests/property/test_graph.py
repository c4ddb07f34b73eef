"""Graphs of any configuration draw each node once, and no name becomes markup."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from hypothesis import given, settings
from hypothesis import strategies as st

from dsops.drawing import plain
from dsops.errors import Where
from dsops.graph import Graph, GraphNode, NodeOutcome, Status, graph_text, make_graph, mermaid_text, svg_text
from dsops.graph.outline import outline
from dsops.model import Config
from dsops.plan import Ambient, Fingerprint, Plan, PlannedVariable, SecretReference, Step
from dsops.schema import BUILTIN_TYPES, Setting
from dsops.secret import Secret
from tests.groups import examples

HUSH = "hush-hush-secret"
SVG = "{http://www.w3.org/2000/svg}"

texts = st.text(min_size=1, max_size=30) | st.sampled_from(
    [
        "</text><script>alert(1)</script>",
        '"]; click n1 "javascript:x"',
        "end",
        "#quot;",
        "&amp;",
        "]]>",
        "-->",
        "%%{init: {}}%%",
        "`x`",
        "a\nb",
        "\x1b[31mred",
        "\u202eevil",
        "\ud800",
        "<b>bold</b>",
        "1. one",
        "subgraph",
        "name\x00nul",
        "\ufffe",
    ]
)
regions = st.sampled_from(["us-east-1", "eu-west-1", ""])
HERE = Where("dsops.yaml", 1)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """A plan with chains, stores and variables, all with hostile names."""
    steps: dict[str, Step] = {}
    for name in draw(st.lists(texts, unique=True, max_size=8)):
        kind = draw(st.sampled_from(["aws.sts", "aws.secretsmanager", "literal"]))
        hops = [step.name for step in steps.values() if step.type.name == "aws.sts"]
        below = draw(st.sampled_from(["", *hops])) if kind != "literal" else ""
        account = draw(st.sampled_from(["111111111111", "222222222222"]))
        sent: dict[str, Setting] = {
            "role_arn": f"arn:aws:iam::{account}:role/{draw(texts)}",
            "external_id": Secret(HUSH),
            "tags": (("team", HUSH),),
            "token_code": Secret(HUSH),
        }
        steps[name] = Step(
            name,
            BUILTIN_TYPES[kind],
            sent if kind == "aws.sts" else {},
            draw(regions),
            below,
            "",
            Fingerprint(""),
            bool(below),
            HERE,
            operation="AssumeRole" if kind == "aws.sts" else "",
        )
    variables = []
    for name in draw(st.lists(texts, unique=True, max_size=8)):
        store = draw(st.sampled_from(["", *steps]))
        reference = SecretReference(draw(texts), draw(st.sampled_from(["", "AWSPREVIOUS"])), "") if store else None
        literal = None if store else Secret(HUSH)
        variables.append(
            PlannedVariable(name, store, reference, literal, Secret(HUSH) if store else None, False, (), "", HERE)
        )
    return Plan("production", tuple(variables), steps, {"": Ambient("environment", HUSH, False)}, 0, ())


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Graphs of such plans, with outcomes for some nodes."""
    plan = draw(plans())
    config = Config({}, {}, "", (), is_allowed=True, notes=())
    graph = make_graph(draw(texts), config, [plan], BUILTIN_TYPES)
    statuses: st.SearchStrategy[Status] = st.sampled_from(["ok", "denied", "failed", "skipped"])
    tried = {node.key: NodeOutcome(draw(statuses), draw(texts)) for node in graph.nodes if draw(st.booleans())}
    return graph._replace(outcomes=tried)


def things(graph: Graph) -> list[GraphNode]:
    """All nodes except callers."""
    return [node for node in graph.nodes if node.kind != "caller"]


@settings(max_examples=examples(150), deadline=None)
@given(plans())
def test_every_variable_store_and_hop_is_drawn_exactly_once(plan: Plan) -> None:
    """Every variable, store and hop is in the graph and in the outline exactly once."""
    config = Config({}, {}, "", (), is_allowed=True, notes=())
    graph = make_graph("all", config, [plan], BUILTIN_TYPES)
    variables = [("variable", "production", variable.name) for variable in plan.variables]
    assert sorted(node.key for node in things(graph)) == sorted([*[("step", name) for name in plan.steps], *variables])
    rows = [row.node.key for row in outline(graph) if row.node is not None]
    assert sorted(rows) == sorted(node.key for node in graph.nodes)


@settings(max_examples=examples(150), deadline=None)
@given(graphs())
def test_mermaid_has_only_the_markup_that_is_ours(graph: Graph) -> None:
    """Every line of Mermaid output follows dsops' grammar; labels contain only line breaks and character codes."""
    text = mermaid_text(graph)
    assert HUSH not in text
    label = r"(?:[^\x00-\x20\"#<>&\[\]{}();|`*\\]| |#\d+;|<br>)+"
    node = rf'n\d+(?:\(\["{label}"\]\)|\["{label}"\]|\[\("{label}"\)\]|\("{label}"\))(?::::\w+)?'
    lines = [
        r"flowchart LR",
        r"  accTitle: [^\x00-\x1f<>\"#;{}]+",
        r"  classDef \w+ [\w:#,\- ]+",
        rf'  subgraph a\d+\["{label}"\]',
        r"  end",
        rf"  (?:  )?{node}",
        r"  n\d+ (?:-->|-\.->) n\d+",
    ]
    for line in text.removesuffix("\n").split("\n"):
        assert re.fullmatch("|".join(lines), line), line
    shown_text = re.findall(r'^ +(n\d+)[\[(]+"', text, re.MULTILINE)
    assert len(shown_text) == len(set(shown_text)) == len(graph.nodes)


@settings(max_examples=examples(150), deadline=None)
@given(graphs())
def test_svg_is_xml_and_has_only_elements_that_are_ours(graph: Graph) -> None:
    """SVG output is XML with only dsops' elements, one group per node, whatever the names contain."""
    text = svg_text(graph)
    assert HUSH not in text
    root = ET.fromstring(text.encode())  # noqa: S314 (our own)
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {
        "svg",
        "title",
        "desc",
        "style",
        "rect",
        "text",
        "path",
        "polygon",
        "g",
    }
    groups = root.findall(f"{SVG}g")
    assert len(groups) == len(graph.nodes)
    names = sorted("".join(plain(node.name).split()) for node in graph.nodes)
    written = ["".join("".join(entry.text or "" for entry in group.iter(f"{SVG}text")).split()) for group in groups]
    assert all(any(entry.startswith(name) for entry in written) for name in names)


@settings(max_examples=examples(150), deadline=None)
@given(graphs())
def test_the_tree_is_one_line_for_each_node_and_moves_no_cursor(graph: Graph) -> None:
    """The text tree has one line per node, and names add neither a line nor an escape sequence."""
    text = graph_text(graph)
    assert HUSH not in text
    assert all(line.isprintable() for line in text.split("\n"))
    headings = sum(row.node is None for row in outline(graph))
    assert len(text.removesuffix("\n").split("\n")) == 3 + headings + len(graph.nodes)
