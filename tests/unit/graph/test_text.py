"""The graph as a text tree, for screen readers, narrow terminals and output without colours."""

from __future__ import annotations

from dsops.graph import NodeOutcome, graph_text
from tests.graphs import graph_of, many, node
from tests.unit.graph.test_make import TEXT


def test_only_spaces_show_the_depth() -> None:
    """Only indentation shows the depth, since a screen reader would read each character of drawn branches."""
    assert graph_text(graph_of(TEXT)).isascii()
    assert not set("|+`\\") & set(graph_text(graph_of(TEXT)))


def test_a_narrow_terminal_breaks_lines_and_no_arn() -> None:
    """In a narrow terminal long lines continue with deeper indentation; ARNs are not broken and nothing is cut off."""
    wide, narrow = graph_text(graph_of(TEXT)), graph_text(graph_of(TEXT), columns=40)
    assert max(map(len, narrow.splitlines())) <= 44
    assert narrow.split() == wide.split()


def test_red_is_only_added_to_words() -> None:
    """Colours change no word; a denied hop is red, and a hop that was not tried is not."""
    graph = graph_of(TEXT)
    target, secrets = node(graph, "hop", "target"), node(graph, "store", "secrets")
    graph = graph._replace(
        outcomes={
            target.key: NodeOutcome("denied", "sts.access-denied"),
            secrets.key: NodeOutcome("skipped", "needs target"),
        }
    )
    red, plain = graph_text(graph, has_colour=True), graph_text(graph)
    assert red.replace("\x1b[31m", "").replace("\x1b[0m", "") == plain
    (line,) = [each for each in red.splitlines() if "\x1b" in each]
    assert "target [denied: sts.access-denied]: AssumeRole" in line
    assert "secrets [not tried: needs target]" in plain


def test_many_hops_are_grouped_by_account() -> None:
    """Six or more parallel hops are grouped under headings by account; fewer hops are not grouped."""
    text = graph_text(graph_of(many(300, 4)))
    headings = [line.strip() for line in text.splitlines() if line.strip().startswith("account ")]
    assert headings == [
        "account 111111111111, 38 hops:",
        "account 222222222222, 38 hops:",
        "account 333333333333, 37 hops:",
        "account 444444444444, 37 hops:",
    ]
    few = graph_text(graph_of(many(10, 4)))
    assert not [line for line in few.splitlines() if line.strip().startswith("account ")]
