"""Unknown never allows: what is allowed with unknown parts is allowed by the engine for every possible value."""

from __future__ import annotations

import json
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from dsops.policy import (
    ANY_CHARACTER,
    ANY_TEXT,
    LimitingPolicies,
    PartialRequest,
    Policies,
    Policy,
    Principal,
    Request,
    evaluate,
    parse_policy,
)
from tests.groups import examples

CALLER = Principal(
    "role-session", "111111111111", "arn:aws:sts::111111111111:assumed-role/R/s", "arn:aws:iam::1:role/R"
)
FULL = parse_policy(
    '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}', "identity", name="f"
)
UNKNOWN = ("aws:ResourceTag/team", "aws:SourceIp", "ec2:Vpc")
KNOWN = {"aws:RequestedRegion": ("eu-west-1",), "s3:prefix": ("a/",)}
ABSENT = "aws:TagKeys"
"""A key that is known to be absent."""
VALUES: tuple[tuple[str, ...] | None, ...] = (None, ("a",), ("b",), ("A", "b"), ("10.0.0.1",), ("",))
PATTERNS = (
    "*",
    "arn:aws:s3:::*",
    "arn:aws:s3:::b/*",
    "arn:aws:s3:::b/a*",
    "arn:aws:s3:::b/?",
    "arn:aws:s3:::b/??*",
    "arn:aws:s3:::b/*a",
    "arn:aws:s3:::b/a?b",
    "arn:aws:s3:::*/a",
    "arn:aws:s3:::b/${aws:ResourceTag/team}",
    "arn:aws:s3:::b/${aws:RequestedRegion}",
    "arn:aws:s3:*:*:*",
    "arn:aws:sqs:*",
    "arn:*:s3:::b/a",
)
UNKNOWN_RESOURCES = (
    f"arn:aws:s3:::b/{ANY_TEXT}",
    f"arn:aws:s3:::b/a{ANY_TEXT}",
    f"arn:aws:s3:::b/{ANY_CHARACTER}",
    f"arn:aws:s3:::b/a{ANY_CHARACTER}b",
    f"arn:aws:s3:::{ANY_TEXT}/a",
    f"arn:aws:s3:::b/{ANY_TEXT}a{ANY_TEXT}",
    "arn:aws:s3:::b/a",
    "arn:aws:s3:::b/*",
    "*",
    ANY_TEXT,
)
FILLINGS = ("", "a", "b", "ab", "aab", "/", "x:y", "*", "?", "eu-west-1", "b/a")
OPERATORS = (
    "StringEquals",
    "StringNotEquals",
    "StringLike",
    "StringNotLike",
    "StringEqualsIfExists",
    "StringNotEqualsIgnoreCase",
    "ForAllValues:StringEquals",
    "ForAnyValue:StringLike",
    "ForAnyValue:StringNotEquals",
    "IpAddress",
    "NotIpAddressIfExists",
    "Null",
    "NumericLessThan",
    "ArnLike",
)
OPERANDS = {"IpAddress": "10.0.0.0/8", "NotIpAddressIfExists": "10.0.0.0/8", "NumericLessThan": "5"}


@st.composite
def conditions(draw: st.DrawFn) -> dict[str, dict[str, str]]:
    """Up to two conditions on known, unknown and absent keys."""
    found: dict[str, dict[str, str]] = {}
    for _ in range(draw(st.integers(0, 2))):
        operator = draw(st.sampled_from(OPERATORS))
        key = draw(st.sampled_from((*UNKNOWN, *KNOWN, ABSENT)))
        words = ("true", "false") if operator == "Null" else ("a", "b", "a*", "eu-west-1", "${aws:ResourceTag/team}")
        found.setdefault(operator, {})[key] = OPERANDS.get(operator) or draw(st.sampled_from(words))
    return found


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """A policy of one to three statements."""
    statements = []
    for _ in range(draw(st.integers(1, 3))):
        element = draw(st.sampled_from(("Resource", "Resource", "Resource", "NotResource")))
        statement: dict[str, object] = {
            "Effect": draw(st.sampled_from(("Allow", "Allow", "Deny"))),
            "Action": draw(st.sampled_from(("*", "s3:*", "s3:GetObject", "sqs:*"))),
            element: draw(st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=2)),
        }
        found = draw(conditions())
        statements.append(statement | ({"Condition": found} if found else {}))
    version = draw(st.sampled_from(("2012-10-17", "2012-10-17", "2008-10-17")))
    return parse_policy(json.dumps({"Version": version, "Statement": statements}), "session", name="p")


def fill(unknown: str) -> list[str]:
    """Some of the texts that an unknown text may stand for."""
    if unknown == ANY_TEXT:
        return ["*", "arn:aws:s3:::b/a", "arn:aws:s3:::c", "arn:aws:sqs:eu-west-1:111111111111:q"]
    texts = [unknown]
    while any(ANY_TEXT in text or ANY_CHARACTER in text for text in texts):
        texts = [
            text.replace(mark, filling, 1)
            for text in texts
            for mark in [next(mark for mark in (ANY_TEXT, ANY_CHARACTER, "") if mark in text)]
            for filling in (FILLINGS if mark == ANY_TEXT else ("a", "b", "?") if mark else ("",))
        ]
    return texts


@settings(max_examples=examples(600), deadline=None)
@given(policies=st.lists(policies(), min_size=1, max_size=2), resource=st.sampled_from(UNKNOWN_RESOURCES))
def test_what_is_allowed_is_allowed_for_every_value(policies: list[Policy], resource: str) -> None:
    """Whatever the unknown keys and parts of the resource are, the engine allows what the layer allowed."""
    layer = LimitingPolicies(policies)
    request = Request(CALLER, "s3:GetObject", resource, CALLER.account, KNOWN)
    decision = layer.decide(PartialRequest(request, (resource,), lambda key: key == ABSENT.lower()))
    if decision.effect == "ExplicitDeny":
        return  # for some values, the engine may allow the request
    applicable = Policies((FULL,), session=(tuple(policies),))
    outcomes = set()
    for values in product(VALUES, repeat=len(UNKNOWN)):
        found = {key: value for key, value in zip(UNKNOWN, values, strict=True) if value is not None}
        for text in fill(resource):
            filled = request._replace(resource=text, context={**KNOWN, **found})
            outcomes.add(evaluate(filled, applicable).effect)

    assert "ExplicitDeny" not in outcomes
    if decision.effect == "Allow":
        assert {"Allow"} == outcomes


@settings(max_examples=examples(300), deadline=None)
@given(policies=st.lists(policies(), min_size=1, max_size=2), resource=st.sampled_from(PATTERNS[:-1]))
def test_a_known_request_gets_the_decision_of_the_engine(policies: list[Policy], resource: str) -> None:
    """If nothing is unknown, the decision is that of session policies."""
    request = Request(CALLER, "s3:GetObject", resource, CALLER.account, KNOWN)

    decision = LimitingPolicies(policies).decide(PartialRequest(request, (resource,), lambda _key: True))

    expected = evaluate(request, Policies((FULL,), session=(tuple(policies),)))
    assert expected.effect == decision.effect
    if expected.effect == "ExplicitDeny":
        assert expected.statement == decision.statement
