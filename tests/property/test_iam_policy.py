"""Parsing policies: any text gives a policy or problems, but no other exception."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, get_args

from hypothesis import given
from hypothesis import strategies as st

from dsops.errors import PolicyInvalid
from dsops.policy import PolicyKind, parse_policy
from tests.property.iam_worlds import documents

if TYPE_CHECKING:
    from collections.abc import Iterator

KINDS = st.sampled_from(get_args(PolicyKind))
WORDS = st.sampled_from(
    (
        "Version",
        "2012-10-17",
        "Statement",
        "Effect",
        "Allow",
        "Deny",
        "Action",
        "NotAction",
        "Resource",
        "Principal",
        "AWS",
        "Condition",
        "StringLike",
        "Null",
        "s3:*",
        "*",
        "${aws:username}",
        "${",
        "arn:aws:s3:::b",
        "111122223333",
        "Sid",
        "Id",
        "",
    )
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | WORDS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=5),
    max_leaves=20,
)


def refused(text: str, kind: PolicyKind) -> PolicyInvalid | None:
    """The error, or None for a valid policy."""
    try:
        parse_policy(text, kind, file="p.json")
    except PolicyInvalid as error:
        return error
    return None


@given(JSON, KINDS)
def test_any_json_is_a_policy_or_has_problems_with_lines(value: Any, kind: PolicyKind) -> None:
    """Any JSON value is parsed as a policy or gives problems with lines."""
    error = refused(json.dumps(value, indent=1), kind)
    if error is not None:
        assert error.problems
        assert all(problem.where.line >= 1 for problem in error.problems)


@given(st.text(max_size=40), KINDS)
def test_any_text_is_refused_in_words(text: str, kind: PolicyKind) -> None:
    """Text that is not JSON gives an error with a message."""
    assert refused(text, kind) is not None


@given(documents("identity"))
def test_lists_of_one_and_bare_values_are_the_same(document: dict[str, Any]) -> None:
    """In every element of a policy, a single value and a list with that value are equivalent."""
    listed = [_with_lists(statement) for statement in document["Statement"]]
    first = parse_policy(json.dumps(document), "identity")
    second = parse_policy(json.dumps(document | {"Statement": listed}), "identity")
    assert list(_written(first)) == list(_written(second))


def _with_lists(statement: dict[str, Any]) -> dict[str, Any]:
    changed = dict(statement)
    for element in ("Action", "NotAction", "Resource", "NotResource"):
        if isinstance(changed.get(element), str):
            changed[element] = [changed[element]]
    if "Condition" in changed:
        changed["Condition"] = {
            operator: {key: values if isinstance(values, list) else [values] for key, values in keys.items()}
            for operator, keys in changed["Condition"].items()
        }
    return changed


def _written(policy: Any) -> Iterator[object]:
    for statement in policy.statements:
        yield statement.effect
        yield statement.actions.written
        yield statement.resources.written
        for condition in statement.conditions:
            yield condition.operator, condition.key, condition.values
