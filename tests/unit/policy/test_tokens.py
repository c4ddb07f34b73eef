"""Policy variables, their defaults and escapes."""

from __future__ import annotations

import pytest

from dsops.policy.language.tokens import ANY_ONE, ANY_RUN, PolicyVariable, resolve, tokenize


def parse(text: str) -> tuple[object, ...]:
    """Return the tokens of a policy value of version 2012-10-17."""
    return tokenize(text, has_variables=True, has_wildcards=True)


def test_literals_wildcards_and_variables_are_told_apart() -> None:
    """A value is split into literals, wildcards and variables, in order."""
    username = PolicyVariable("aws:username", None, "${aws:username}")
    assert ("a", ANY_RUN, "b", ANY_ONE, "/", username, "/") == parse("a*b?/${aws:username}/")


def test_escapes_are_the_characters_themselves() -> None:
    """`${*}`, `${?}` and `${$}` become part of the adjacent literal text."""
    assert ("a*b?c$d", ANY_RUN) == parse("a${*}b${?}c${$}d*")


def test_a_default_stands_behind_a_comma_in_quotes() -> None:
    """A default value follows a comma, in single quotes, and may contain anything but a single quote."""
    written = "${aws:PrincipalTag/Team, 'the } team'}"
    assert (PolicyVariable("aws:principaltag/team", "the } team", written),) == parse(written)


def test_without_variables_the_text_is_literal_but_wildcards_work() -> None:
    """In version 2008-10-17, which has no variables, `${*}` matches `${`, any text, and `}`."""
    assert ("${", ANY_RUN, "}") == tokenize("${*}", has_variables=False, has_wildcards=True)


def test_a_dollar_alone_is_a_dollar() -> None:
    """A `$` without `{` is literal."""
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
    """A variable without closing brace or name, with spaces, or with an open quote is refused."""
    with pytest.raises(ValueError, match=r"variable|`\$\{"):
        parse(text)


def test_a_value_takes_the_variables_place_as_literal_text() -> None:
    """A variable's value is inserted as literal text: a `*` in the value is no wildcard."""
    tokens = parse("home/${aws:username}/*")
    assert ["home/", "a*", "/", ANY_RUN] == resolve(tokens, {"aws:username": ("a*",)})  # type: ignore[arg-type]


def test_a_missing_value_takes_the_default_or_nothing_at_all() -> None:
    """A variable without value is replaced by its default; without a default, resolving returns None.

    An empty value counts as no value.
    """
    variable, with_default = PolicyVariable("k", None, ""), PolicyVariable("k", "d", "")
    assert resolve([variable], {}) is None
    assert ["d"] == resolve([with_default], {})
    assert ["d"] == resolve([with_default], {"k": ("",)})
    assert resolve([variable], {"k": ("",)}) is None


def test_a_key_with_several_values_is_no_variable() -> None:
    """A key with several values cannot be used as a variable, even if the variable has a default."""
    assert resolve([PolicyVariable("k", "d", "")], {"k": ("a", "b")}) is None
