"""The Mermaid flowchart has the same contents as the text tree, in Mermaid's syntax."""

from __future__ import annotations

import re

from dsops.graph import NodeOutcome, mermaid_text
from dsops.graph.mermaid import MOST_CHARACTERS, edges, label
from tests.graphs import graph_of, many, node
from tests.unit.graph.test_make import TEXT


def test_what_means_something_to_mermaid_is_a_code() -> None:
    """Quotes, brackets, `#`, tags and Markdown's lists and italics are escaped; names stay readable."""
    assert label('a"b]#<c>') == "a#34;b#93;#35;#60;c#62;"
    assert label("1. one") == "1#46; one"
    assert label("_one_ *two*") == "#95;one#95; #42;two#42;"
    assert label("prod/DATABASE_URL us-east-1 aws.ssm") == "prod/DATABASE_URL us-east-1 aws.ssm"
    assert label("größe \x1b[31m") == "größe #92;x1b#91;31m"
    assert label("lifestyle: #1") == "life#115;tyle: #35;1"
    assert label("") == "#32;"


def test_hops_and_stores_stand_in_the_box_of_their_account() -> None:
    """Hops and stores are in the box of their account; variables and callers are outside of the boxes."""
    text = mermaid_text(graph_of(TEXT))
    box = re.search(r'subgraph a\d+\["account 222222222222"\]\n(.*?)\n  end', text, re.DOTALL)
    assert box is not None
    assert re.findall(r'n\d+\[\(?"(\w+)<br>', box[1]) == ["target", "secrets"]


def test_every_node_but_the_callers_has_one_edge() -> None:
    """Each node is declared once, and each node except a caller has exactly one incoming edge."""
    graph = graph_of(TEXT)
    text = mermaid_text(graph)
    declared = re.findall(r'^\s+(n\d+)[\[(]+"', text, re.MULTILINE)
    assert sorted(declared) == sorted({f"n{number}" for number in range(1, len(graph.nodes) + 1)})
    targets = re.findall(r"^  n\d+ --> (n\d+)$", text, re.MULTILINE)
    assert len(targets) == len(set(targets)) == sum(each.parent is not None for each in graph.nodes)


def test_a_denied_hop_has_the_word_the_class_and_a_dotted_edge() -> None:
    """A denied hop has the word `denied`, the class `denied` and a dotted edge; other hops have none of these."""
    graph = graph_of(TEXT)
    target = node(graph, "hop", "target")
    text = mermaid_text(graph._replace(outcomes={target.key: NodeOutcome("denied", "sts.access-denied")}))
    (line,) = [each for each in text.splitlines() if each.endswith(":::denied")]
    assert '["target<br>denied: sts.access-denied<br>' in line
    assert 1 == text.count("-.->")
    assert ":::denied" not in mermaid_text(graph)


def test_other_outcomes_have_their_word_and_class() -> None:
    """The diagram shows whether a hop worked or was not tried, by a word and a CSS class."""
    graph = graph_of(TEXT)
    jump, target = node(graph, "hop", "jump"), node(graph, "hop", "target")
    outcomes = {jump.key: NodeOutcome("ok"), target.key: NodeOutcome("skipped", "jump")}
    lines = mermaid_text(graph._replace(outcomes=outcomes)).splitlines()
    for words, style in (("jump<br>ok<br>", "ok"), ("target<br>not tried: jump<br>", "skipped")):
        (line,) = [each for each in lines if each.endswith(f":::{style}")]
        assert words in line
        assert any(each.startswith(f"  classDef {style} ") for each in lines)


def test_a_large_graph_has_no_more_edges_than_mermaid_draws() -> None:
    """Above Mermaid's limit of edges each variable is a line in its store's box; below the limit it is a node."""
    large, small = graph_of(many(300, 5)), graph_of(many(100, 5))
    text = mermaid_text(large)
    assert 600 == sum(each.parent is not None for each in large.nodes)
    assert (300, 300) == (edges(large), text.count(" --> "))
    assert len(text) < MOST_CHARACTERS
    assert 'secrets7<br>aws.secretsmanager<br>in us-east-1<br>URL_7: prod/url<br>TOKEN_7: prod/token"' in text
    assert all(1 == len(re.findall(rf"<br>TOKEN_{number}: ", text)) for number in range(150))
    assert (200, 200) == (edges(small), mermaid_text(small).count(" --> "))


def test_a_denied_variable_marks_the_box_that_it_is_in() -> None:
    """If variables are lines of a box, the word `denied` is next to the denied variable."""
    graph = graph_of(many(300, 5))
    token = node(graph, "variable", "TOKEN_7")
    text = mermaid_text(graph._replace(outcomes={token.key: NodeOutcome("denied", "secret.access-denied")}))
    (line,) = [each for each in text.splitlines() if each.endswith(":::denied")]
    assert "TOKEN_7: denied: secret.access-denied: prod/token" in line
