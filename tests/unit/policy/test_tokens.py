"""Variables, their defaults and escapes."""

from __future__ import annotations

import pytest

from dsops.policy.language.tokens import ANY_ONE, ANY_RUN, PolicyVariable, resolve, tokenize


def parse(text: str) -> tuple[object, ...]:
    """The tokens of a policy value of version 2012-10-17."""
    return tokenize(text, has_variables=True, has_wildcards=True)


def test_literals_wildcards_and_variables_are_told_apart() -> None:
    """A value becomes runs of text, wildcards and variables, in order."""
    username = PolicyVariable("aws:username", None, "${aws:username}")
    assert ("a", ANY_RUN, "b", ANY_ONE, "/", username, "/") == parse("a*b?/${aws:username}/")


def test_escapes_are_the_characters_themselves() -> None:
    """`${*}`, `${?}` and `${$}` join the text around them."""
    assert ("a*b?c$d", ANY_RUN) == parse("a${*}b${?}c${$}d*")


def test_a_default_stands_behind_a_comma_in_quotes() -> None:
    """The default may hold anything but a single quote."""
    written = "${aws:PrincipalTag/Team, 'the } team'}"
    assert (PolicyVariable("aws:principaltag/team", "the } team", written),) == parse(written)


def test_without_variables_the_text_is_literal_but_wildcards_work() -> None:
    """Version 2008-10-17 knows no variables: `${*}` is `${`, any run of characters, `}`."""
    assert ("${", ANY_RUN, "}") == tokenize("${*}", has_variables=False, has_wildcards=True)


def test_a_dollar_alone_is_a_dollar() -> None:
    """Only `${` begins a variable."""
    assert ("a$b$", ANY_RUN) == parse("a$b$*")


@pytest.mark.parametrize(
    "text",
    [
        "${aws:username",
        "${}",
        "${ aws:username}",
        "${aws:username }",
        "${aws:x 'd'}",
        "${aws:x, 'd}",
        "${aws:x, 'd' }",
        "${aws:${x}}",
        "a${*",
    ],
)
def test_a_malformed_variable_is_refused(text: str) -> None:
    """No brace, no name, spaces around it, an open quote: nothing is guessed."""
    with pytest.raises(ValueError, match=r"variable|`\$\{"):
        parse(text)


def test_a_value_takes_the_variables_place_as_literal_text() -> None:
    """A `*` in the value is not a wildcard."""
    tokens = parse("home/${aws:username}/*")
    assert ["home/", "a*", "/", ANY_RUN] == resolve(tokens, {"aws:username": ("a*",)})  # type: ignore[arg-type]


def test_a_missing_value_takes_the_default_or_nothing_at_all() -> None:
    """Without a default there is no text; an empty value is none."""
    variable, with_default = PolicyVariable("k", None, ""), PolicyVariable("k", "d", "")
    assert resolve([variable], {}) is None
    assert ["d"] == resolve([with_default], {})
    assert ["d"] == resolve([with_default], {"k": ("",)})
    assert resolve([variable], {"k": ("",)}) is None


def test_a_key_with_several_values_is_no_variable() -> None:
    """Only single-valued keys can be variables; the default does not step in."""
    assert resolve([PolicyVariable("k", "d", "")], {"k": ("a", "b")}) is None
