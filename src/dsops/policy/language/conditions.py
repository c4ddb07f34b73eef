"""Conditions, which are compiled when a policy is read and then tested against a request's context.

A test returns True or False. It returns None if the request's value does not have the operator's type, such as a word
where a number is required. The evaluator treats None as met in a Deny and as not met in an Allow. Source: AWS IAM User
Guide, "Conditions with multiple context keys or values".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from dsops.policy.language.letters import lower_case
from dsops.policy.language.match import ArnPredicate, compile_arn, compile_arn_sections, split_sections
from dsops.policy.language.operators import (
    TEXT_FAMILIES,
    TYPED_FAMILIES,
    Answer,
    Matcher,
    Operator,
    TextFamily,
    arn_matcher,
    parse_operator,
    text_matcher,
    typed_matcher,
)
from dsops.policy.language.tokens import (
    Context,
    PolicyVariable,
    Resolved,
    Token,
    is_static,
    literal_text,
    resolve,
    tokenize,
)
from dsops.startup import NamedTuple

Test = Callable[[Context], Answer]

SECRET_KEYS: Final = frozenset({"sts:externalid"})
"""Condition keys whose values are never shown."""


class Condition(NamedTuple):
    """One condition key under one operator, with the policy's values."""

    operator: str
    key: str
    values: tuple[str, ...]
    line: int
    parsed: Operator
    test: Test
    """The compiled test. It takes a context with keys in lower case.

    It returns None if a value can't be parsed.
    """

    def __repr__(self) -> str:
        return f"Condition({self.operator!r}, {self.key!r}, {self.shown_values!r}, line={self.line})"

    @property
    def is_secret(self) -> bool:
        """Whether the key's values must not be shown."""
        return lower_case(self.key) in SECRET_KEYS

    @property
    def shown_values(self) -> tuple[str, ...]:
        """The policy's values; each is `***` if the key is secret."""
        return ("***",) * len(self.values) if self.is_secret else self.values


def fold_context(context: Mapping[str, tuple[str, ...]]) -> Context:
    """Return the context with keys in lower case: condition keys, tag keys included, are case-insensitive."""
    folded = {lower_case(key): values for key, values in context.items()}
    if len(folded) != len(context):  # When one key occurs in two spellings, the values of both are merged.
        folded = {}
        for key, values in context.items():
            folded[lower_case(key)] = folded.get(lower_case(key), ()) + tuple(values)
    return folded


# Compiling a condition:


def compile_condition(operator: str, key: str, values: Sequence[str], line: int, *, has_variables: bool) -> Condition:
    """Compile a condition. Raises ValueError for an operator or value that AWS refuses.

    The error's message may quote the value.
    """
    parsed = parse_operator(operator)
    return Condition(
        operator, key, tuple(values), line, parsed, _compile(parsed, key, values, has_variables=has_variables)
    )


def _compile(parsed: Operator, key: str, values: Sequence[str], *, has_variables: bool) -> Test:
    lower = lower_case(key)
    text_family = next((family for family in TEXT_FAMILIES if family == parsed.family), None)
    if text_family is not None:
        return _compile_text(parsed, text_family, lower, values, has_variables=has_variables)
    typed_family = next((family for family in TYPED_FAMILIES if family == parsed.family), None)
    if typed_family is not None:
        return _with_matcher(parsed, lower, typed_matcher(typed_family, values))
    return _null_test(lower, values)


def _compile_text(
    parsed: Operator, family: TextFamily, key: str, values: Sequence[str], *, has_variables: bool
) -> Test:
    is_pattern = family in ("StringLike", "ArnEquals", "ArnLike")
    all_tokens = [tokenize(value, has_variables=has_variables, has_wildcards=is_pattern) for value in values]
    static: list[Sequence[Resolved]] = []
    dynamic: list[tuple[Token, ...]] = []
    for tokens in all_tokens:
        if is_static(tokens):
            static.append([token for token in tokens if not isinstance(token, PolicyVariable)])
        else:
            dynamic.append(tokens)
    if family == "Bool":
        _check_booleans(static)
    if not dynamic:
        if family == "StringEquals":
            return _with_set(parsed, key, frozenset(map(literal_text, static)))
        return _with_matcher(parsed, key, text_matcher(family, static))
    return _with_variables(parsed, family, key, static, dynamic)


def _check_booleans(values: Sequence[Sequence[Resolved]]) -> None:
    for tokens in values:
        if lower_case(literal_text(tokens)) not in ("true", "false"):
            raise ValueError(f"`{literal_text(tokens)}` is neither `true` nor `false`")


def _null_test(key: str, values: Sequence[str]) -> Test:
    """Return the test of the Null operator.

    The policy value `true` requires that the key is absent. `false` requires that the key is present and has a
    non-empty value. Source: AWS IAM User Guide, set operators: Null distinguishes "context keys with empty values".
    """
    expected = {lower_case(value) for value in values}
    if not expected <= {"true", "false"}:
        raise ValueError("Null takes `true` (the key is absent) or `false` (it is present)")
    when_absent, when_present = "true" in expected, "false" in expected
    return lambda context: when_present if any(context.get(key, ())) else when_absent


# Tests of all values of a request:


def _with_set(parsed: Operator, key: str, policy_values: frozenset[str]) -> Test:
    """Compile StringEquals or StringNotEquals for policy values without variables.

    Most conditions are of this kind, so all values are tested with one set operation.
    """
    when_missing = _when_missing(parsed)
    if parsed.quantifier:
        return _with_matcher(parsed, key, policy_values.__contains__)
    is_negated = parsed.is_negated

    def test(context: Context) -> bool:
        values = context.get(key)
        if not values:
            return when_missing
        return policy_values.isdisjoint(values) is is_negated

    return test


def _with_matcher(parsed: Operator, key: str, matcher: Matcher) -> Test:
    when_missing = _when_missing(parsed)
    decide = _decider(parsed)

    def test(context: Context) -> Answer:
        values = context.get(key)
        if not values:
            return when_missing
        return decide(values, matcher)

    return test


def _with_variables(
    parsed: Operator,
    family: TextFamily,
    key: str,
    static: Sequence[Sequence[Resolved]],
    dynamic: Sequence[tuple[Token, ...]],
) -> Test:
    """Compile a test for policy values that contain variables. The variables are resolved for each request.

    A policy value with a variable that has no value matches nothing. Otherwise the test works as in `_with_matcher`.
    """
    when_missing = _when_missing(parsed)
    decide = _decider(parsed)

    def matcher_for(context: Context) -> Matcher:
        if family in ("ArnEquals", "ArnLike"):
            return arn_matcher([*map(compile_arn, static), *(_resolved_arn(tokens, context) for tokens in dynamic)])
        resolved = [pattern for tokens in dynamic if (pattern := resolve(tokens, context)) is not None]
        return text_matcher(family, [*static, *resolved])

    def test(context: Context) -> Answer:
        values = context.get(key)
        if not values:
            return when_missing
        return decide(values, matcher_for(context))

    return test


def _resolved_arn(tokens: Sequence[Token], context: Context) -> ArnPredicate | None:
    """Compile an ARN pattern with its variables resolved; None if a variable has no value.

    The value of a variable stays within its part of the ARN, even if it contains colons. The exception is a variable
    that stands for the whole ARN.
    """
    sections: Sequence[Sequence[Token]] = split_sections(tokens)
    if len(sections) < 6:
        sections = [tokens]
    resolved = [pattern for section in sections if (pattern := resolve(section, context)) is not None]
    if len(resolved) < len(sections):
        return None
    return compile_arn(resolved[0]) if len(sections) == 1 else compile_arn_sections(resolved)


def _when_missing(parsed: Operator) -> bool:
    """Return the test's result for a request that lacks the condition key."""
    if parsed.is_if_exists:
        return True
    if parsed.quantifier:
        return parsed.quantifier == "ForAllValues:"
    return parsed.is_negated


def _decider(parsed: Operator) -> Callable[[Sequence[str], Matcher], Answer]:
    """Return the function that combines the results for the request's values into one result.

    If the request has several values, an operator without a quantifier works like ForAnyValue.
    """
    if parsed.quantifier == "ForAllValues:":
        return _all_miss if parsed.is_negated else _all_match
    if parsed.quantifier == "ForAnyValue:":
        return _any_misses if parsed.is_negated else _any_matches_of_set
    return _none_matches if parsed.is_negated else _any_matches


def _any_matches(values: Sequence[str], matcher: Matcher) -> Answer:
    answer: Answer = False
    for value in values:
        answer_of_value = matcher(value)
        if answer_of_value:
            return True
        if answer_of_value is None:
            answer = None
    return answer


def _none_matches(values: Sequence[str], matcher: Matcher) -> Answer:
    answer = _any_matches(values, matcher)
    return None if answer is None else not answer


# The functions below serve set operators (ForAnyValue, ForAllValues). They treat a request whose values are all empty
# strings as one without values (AWS IAM User Guide, set operators: "an empty string").


def _any_matches_of_set(values: Sequence[str], matcher: Matcher) -> Answer:
    return _any_matches(values, matcher) if any(values) else False


def _any_misses(values: Sequence[str], matcher: Matcher) -> Answer:
    return _any_matches(values, _negation(matcher)) if any(values) else False


def _all_match(values: Sequence[str], matcher: Matcher) -> Answer:
    return _none_matches(values, _negation(matcher)) if any(values) else True


def _all_miss(values: Sequence[str], matcher: Matcher) -> Answer:
    return _none_matches(values, matcher) if any(values) else True


def _negation(matcher: Matcher) -> Matcher:
    def misses(value: str) -> Answer:
        answer = matcher(value)
        return None if answer is None else not answer

    return misses
