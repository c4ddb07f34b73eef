"""Interpolation of `${NAME}` in the texts of a configuration."""

from __future__ import annotations

import time

import pytest

from dsops.document import parse_yaml, to_plain
from dsops.errors import VariableUnset, Where
from dsops.interpolate import InterpolationNames, expand, expand_node, has_names, mask, names_in

HERE = Where("dsops.yaml", 9)


def expanded(text: str, **environ: str) -> str:
    """Return the text expanded with these variables, without user and timestamp."""
    return expand(text, environ, HERE, "secretStores.prod.region")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${A}", "one"),
        ("x-${A}-${B}-x", "x-one-two-x"),
        ("arn:aws:iam::${A}:role/R", "arn:aws:iam::one:role/R"),
        ("${EMPTY}", ""),
        ("${A:-default}", "one"),
        ("${NONE:-default}", "default"),
        ("${EMPTY:-default}", "default"),
        ("${NONE:-}", ""),
        ("${NONE:-a:-b:?c}", "a:-b:?c"),
        ("${NONE:-${A}}", "one"),
        ("${NONE:-${OTHER:-${B}}}!", "two!"),
        ("${A:-${NONE}}", "one"),
        ("${A:?must be set}", "one"),
        ("${_x1}", "under"),
    ],
)
def test_names_are_replaced(text: str, expected: str) -> None:
    """A name is replaced by its value, or by its default if it is unset or empty; a default may contain names."""
    assert expected == expanded(text, A="one", B="two", EMPTY="", _x1="under")


@pytest.mark.parametrize(
    "text",
    [
        "$A",
        "$HOME/${}",
        "${aws:username}",
        "${aws:PrincipalTag/team, 'none'}",
        "${*}",
        "${?}",
        "${1A}",
        "${A-x}",
        "${A:x}",
        "${A",
        "${A:-x",
        "${ A }",
        "${Ä}",
        "}{$",
        "$$",
    ],
)
def test_everything_else_is_literal(text: str) -> None:
    """A text that is not exactly a reference stays unchanged, above all IAM's policy variables."""
    assert text == expanded(text, A="one")
    assert names_in(text) == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$${A}", "${A}"),
        ("$${aws:username}", "${aws:username}"),
        ("$$${A}", "$${A}"),
        ("$${A}${A}", "${A}one"),
        ("${NONE:-$${A}}", "${A}"),
        ("${A:-$${aws:x}}!", "one!"),
        ("${NONE:-${aws:username}}!", "${aws:username}!"),
        ("${aws:x/${A}}", "${aws:x/one}"),
    ],
)
def test_two_dollars_are_a_literal_one(text: str, expected: str) -> None:
    """`$${` gives a literal `${`, and the `}` after it closes no reference."""
    assert expected == expanded(text, A="one")


def test_what_a_variable_holds_is_not_expanded_again() -> None:
    """If a variable's value contains `${NAME}`, it is not expanded again."""
    assert expanded("${A}", A="${B}$${C}", B="x") == "${B}$${C}"


def test_an_unset_variable_names_file_line_field_and_variable() -> None:
    """An unset variable is an error with file, line, field, variable and remedy."""
    with pytest.raises(VariableUnset) as raised:
        expanded("dsops-${A}-${B}", A="x")
    error = raised.value
    assert error.message == "`secretStores.prod.region` needs the environment variable B, which is not set"
    assert error.where == HERE
    assert error.hint == "set the variable (export B=...), or add a default: ${B:-...}"


@pytest.mark.parametrize(("environ", "state"), [({}, "not set"), ({"A": ""}, "empty")])
def test_a_message_is_the_reason(environ: dict[str, str], state: str) -> None:
    """`${A:?message}` is an error with that message if A is unset or empty."""
    with pytest.raises(VariableUnset, match=f"A, which is {state}") as raised:
        expanded("${A:?ask ${WHO:-the team} for it}", **environ)
    assert raised.value.why == "ask the team for it"


def test_an_empty_message_is_none() -> None:
    """`${A:?}` is an error without a message."""
    with pytest.raises(VariableUnset) as raised:
        expanded("${A:?}")
    assert raised.value.why == ""


@pytest.mark.parametrize(
    ("environ", "user", "expected"),
    [
        ({"USER": "ada", "LOGNAME": "bob"}, "eve", "ada"),
        ({"LOGNAME": "bob"}, "eve", "bob"),
        ({"USER": "", "LOGNAME": "bob"}, "eve", "bob"),
        ({"USERNAME": "win"}, "eve", "win"),
        ({}, "eve", "eve"),
    ],
)
def test_user_works_without_being_set(environ: dict[str, str], user: str, expected: str) -> None:
    """USER falls back to LOGNAME, USERNAME and then the user name that the caller passes."""
    assert expected == expand("${USER}", environ, HERE, "p", user=user)


def test_user_is_unset_where_it_is_unknown() -> None:
    """Without any source USER is an unset variable."""
    with pytest.raises(VariableUnset, match="USER"):
        expanded("${USER}")


def test_timestamp_is_the_runs_own_unless_the_user_set_one() -> None:
    """TIMESTAMP is constant throughout a run; a TIMESTAMP that the user sets takes precedence."""
    assert expand("${TIMESTAMP}", {}, HERE, "p", timestamp="2026") == "2026"
    assert expand("${TIMESTAMP}", {"TIMESTAMP": "mine"}, HERE, "p", timestamp="2026") == "mine"
    assert expand("${TIMESTAMP:-x}", {}, HERE, "p", timestamp="2026") == "2026"


def test_only_a_generated_timestamp_stays_symbolic() -> None:
    """A generated TIMESTAMP enters fingerprints as a placeholder; a TIMESTAMP that the user sets is expanded."""
    assert expand("a-${TIMESTAMP}", {}, HERE, "p", timestamp="1", symbolic_timestamp=True) == "a-${TIMESTAMP}"
    mine = {"TIMESTAMP": "mine"}
    assert expand("a-${TIMESTAMP}", mine, HERE, "p", timestamp="1", symbolic_timestamp=True) == "a-mine"
    assert expand("${A}", {"A": "x"}, HERE, "p", symbolic_timestamp=True) == "x"


def test_names_in_a_text() -> None:
    """Names in a text are listed once, in order, including those in defaults."""
    assert names_in("${B:-${A}} ${B} ${C:?${D}} $${E} ${aws:F}") == ("B", "A", "C", "D")


def test_a_nodes_texts_are_expanded_with_their_own_lines() -> None:
    """Keys, values and items of a node are expanded; numbers stay numbers, and expanded texts stay texts."""
    root = parse_yaml("a: ${X}\n${X}:\n  - 007\n  - ${X}\n", "f").root
    assert root is not None
    assert has_names(root)
    done = expand_node(root, InterpolationNames({"X": "1"}), "f", "p")
    assert not has_names(done)
    assert to_plain(done) == {"a": "1", "1": ["007", "1"]}


@pytest.mark.parametrize(("text", "line"), [("a: 1\nb:\n  - ${X}", 3), ("a: 1\n${X}: 1", 2), ("a: {b: '${X}'}", 1)])
def test_an_unset_variable_in_a_node_names_its_own_line(text: str, line: int) -> None:
    """An unset variable in a node is reported with the line of its text."""
    root = parse_yaml(text, "f").root
    assert root is not None
    with pytest.raises(VariableUnset) as raised:
        expand_node(root, InterpolationNames({}), "f", "p")
    assert raised.value.where == Where("f", line)


def test_separators_inside_of_names_are_masked() -> None:
    """`mask` replaces outermost references and keeps the length of the text."""
    text = "store://a/${X:?m#${Y:-?}}#${Z}?v=$${q} ${aws:a#b}"
    masked = mask(text)
    assert len(masked) == len(text)
    assert masked == "store://a/_______________#____?v=$${q} ${aws:a#b}"
    assert mask("no names") == "no names"


@pytest.mark.parametrize(
    "text",
    ["${" * 100_000 + "}" * 100_000, "${A:-" * 100_000, "${A:-" * 100_000 + "}" * 100_000, "${A}" * 100_000],
    ids=["literal nests", "open defaults", "nested defaults", "many"],
)
def test_no_text_takes_long(text: str) -> None:
    """Expansion takes linear time, however deep names are nested."""
    started = time.process_time()
    expanded(text, A="x")
    names_in(text)
    mask(text)
    assert time.process_time() - started < 5
