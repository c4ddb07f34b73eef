"""Compares wildcard matching with a naive definition."""

from __future__ import annotations

from functools import cache

from hypothesis import given
from hypothesis import strategies as st

from dsops.policy.language.conditions import compile_condition, fold_context
from dsops.policy.language.match import compile_glob
from dsops.policy.language.tokens import PolicyVariable, tokenize
from dsops.policy.language.values import compare_numbers, read_number

PATTERNS = st.text(alphabet="ab*?", max_size=12)
TEXTS = st.text(alphabet="ab", max_size=12)


def matches(pattern: str, text: str) -> bool:
    """Whether the compiled pattern matches."""
    tokens = tokenize(pattern, has_variables=False, has_wildcards=True)
    return compile_glob([token for token in tokens if not isinstance(token, PolicyVariable)])(text)


@cache
def is_like(pattern: str, text: str) -> bool:
    """Whether the text matches by the definition of wildcards, character by character."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return is_like(pattern[1:], text) or (bool(text) and is_like(pattern, text[1:]))
    return bool(text) and pattern[0] in ("?", text[0]) and is_like(pattern[1:], text[1:])


@given(PATTERNS, TEXTS)
def test_a_pattern_matches_what_its_definition_says(pattern: str, text: str) -> None:
    """Compiled patterns match the same short texts as the definition of wildcards."""
    assert is_like(pattern, text) is matches(pattern, text)


@given(st.text(max_size=20), st.text(max_size=20))
def test_text_without_wildcards_matches_itself_alone(left: str, right: str) -> None:
    """An escaped text matches only itself."""
    escaped = "".join(f"${{{character}}}" if character in "*?$" else character for character in left)
    condition = compile_condition("StringLike", "k", [escaped], 1, has_variables=True)
    assert condition.test({"k": (left,)})
    assert (left == right) is bool(condition.test({"k": (right,)}))


@given(st.text(min_size=1, max_size=8), st.text(max_size=8))
def test_what_a_variable_brings_is_literal(value: str, text: str) -> None:
    """A variable's value is matched literally, whatever characters it has."""
    condition = compile_condition("StringLike", "k", ["${aws:username}"], 1, has_variables=True)
    assert (value == text) is bool(condition.test({"k": (text,), "aws:username": (value,)}))


PAIRS = (
    ("StringEquals", "StringNotEquals", "a"),
    ("StringLike", "StringNotLike", "a*"),
    ("StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "A"),
    ("NumericEquals", "NumericNotEquals", "1"),
    ("DateEquals", "DateNotEquals", "2026"),
    ("IpAddress", "NotIpAddress", "10.0.0.0/8"),
    ("ArnLike", "ArnNotLike", "arn:aws:iam::*:role/a"),
)
SOME_VALUES = st.sampled_from(("", "a", "A", "ab", "1", "1.0", "2", "2026-01-01", "10.9.9.9", "arn:aws:iam::1:role/a"))
SETS = st.lists(SOME_VALUES, max_size=3).map(tuple)


@given(st.sampled_from(PAIRS), SETS)
def test_a_negated_operator_is_the_opposite_of_the_positive_one(
    pair: tuple[str, str, str], values: tuple[str, ...]
) -> None:
    """A negated operator gives the opposite of its positive form, also for a missing key; both can be undecided."""
    positive, negative, wanted = pair
    yes = compile_condition(positive, "k", [wanted], 1, has_variables=True).test({"k": values})
    no = compile_condition(negative, "k", [wanted], 1, has_variables=True).test({"k": values})
    assert (None if yes is None else not yes) == no


@given(st.sampled_from(PAIRS), SETS)
def test_all_values_meet_an_operator_when_none_meets_its_opposite(
    pair: tuple[str, str, str], values: tuple[str, ...]
) -> None:
    """ForAllValues with an operator gives the opposite of ForAnyValue with the negated operator."""
    positive, negative, wanted = pair
    everyone = compile_condition(f"ForAllValues:{positive}", "k", [wanted], 1, has_variables=True).test({"k": values})
    someone = compile_condition(f"ForAnyValue:{negative}", "k", [wanted], 1, has_variables=True).test({"k": values})
    assert (None if someone is None else not someone) == everyone


@given(st.dictionaries(st.text(alphabet="aAbB", min_size=1, max_size=3), SETS, max_size=5))
def test_folding_keys_loses_no_value(context: dict[str, tuple[str, ...]]) -> None:
    """Folding the case of keys loses no value, however many spellings a key has."""
    folded = fold_context(context)
    assert sum(map(len, context.values())) == sum(map(len, folded.values()))
    assert all(key == key.lower() for key in folded)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6), st.integers(0, 3))
def test_trailing_zeros_do_not_change_a_number(number: object, zeros: int) -> None:
    """Trailing zeros do not change a number's value in a comparison."""
    text = f"{number:f}"
    plain, padded = read_number(text), read_number(text + "0" * zeros)
    if plain is not None and padded is not None:
        assert 0 == compare_numbers(plain, padded)
