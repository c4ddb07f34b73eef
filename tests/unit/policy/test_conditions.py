"""Condition operators, each with a request value that matches and one that does not."""

from __future__ import annotations

import pytest

from dsops.policy.language.conditions import compile_condition
from dsops.policy.language.operators import OPERATORS, nearest_operator, parse_operator
from tests.unit.policy.policies import condition_holds as holds

PRINCIPAL_ARN = "arn:aws:iam::111122223333:role/App"

# operator, the policy's values, a request value that matches, one that does not
CASES = [
    ("StringEquals", ["a", "b"], "b", "B"),
    ("StringEquals", "a*", "a*", "ab"),
    ("StringNotEquals", ["a", "b"], "c", "b"),
    ("StringEqualsIgnoreCase", "Prod", "pROD", "prod "),
    ("StringNotEqualsIgnoreCase", "Prod", "test", "PROD"),
    ("StringLike", ["team-*", "x?z"], "xyz", "xz"),
    ("StringLike", "Team*", "Team", "team"),
    ("StringNotLike", "team-*", "crew-1", "team-1"),
    ("NumericEquals", ["1", 2], "2.0", "3"),
    ("NumericNotEquals", "10", "9.99", "10.0"),
    ("NumericLessThan", "10", "9", "10"),
    ("NumericLessThanEquals", "10", "10", "10.01"),
    ("NumericGreaterThan", 10, "11", "10"),
    ("NumericGreaterThanEquals", "10", "10", "9"),
    ("NumericLessThan", ["5", "100"], "50", "100"),
    ("DateEquals", "2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00", "2026-01-01T00:00:01Z"),
    ("DateNotEquals", "2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z", "1767225600"),
    ("DateLessThan", "2026-06-01", "2026-05-31T23:59:59Z", "2026-06-01T00:00:00Z"),
    ("DateLessThanEquals", "2026-06-01", "2026-06-01T00:00:00Z", "2026-06-01T00:00:01Z"),
    ("DateGreaterThan", 1767225600, "2026-01-01T00:00:01Z", "2026-01-01T00:00:00Z"),
    ("DateGreaterThanEquals", "2026-01-01T00:00:00Z", "1767225600", "1767225599"),
    ("Bool", "true", "TRUE", "false"),
    ("Bool", False, "false", "true"),
    ("BinaryEquals", "QmluYXJ5", "QmluYXJ5", "QmluYXJ6"),
    ("IpAddress", ["203.0.113.0/24", "2001:db8::/32"], "2001:db8::7", "198.51.100.1"),
    ("NotIpAddress", "203.0.113.0/24", "198.51.100.1", "203.0.113.9"),
    ("ArnEquals", "arn:aws:iam::*:role/App", PRINCIPAL_ARN, "arn:aws:iam::111122223333:role/Apps"),
    ("ArnLike", "arn:aws:iam::1111*:role/A?p", PRINCIPAL_ARN, "arn:aws:iam::222222222222:role/App"),
    ("ArnNotEquals", "arn:aws:iam::*:role/App", "arn:aws:iam::111122223333:user/App", PRINCIPAL_ARN),
    ("ArnNotLike", "arn:aws:iam::*:role/*", "arn:aws:iam::111122223333:user/App", PRINCIPAL_ARN),
]
NEGATED = {operator for operator in OPERATORS if "Not" in operator}


@pytest.mark.parametrize(("operator", "values", "hit", "miss"), CASES)
def test_the_operator_tells_a_hit_from_a_miss(operator: str, values: object, hit: str, miss: str) -> None:
    """An operator accepts the matching request value and rejects the other value."""
    assert holds(operator, "aws:some-key", values, {"aws:some-key": hit})
    assert not holds(operator, "aws:some-key", values, {"aws:some-key": miss})


def test_every_operator_is_in_the_table_of_cases() -> None:
    """CASES contains every operator except Null, which has its own tests."""
    assert set(OPERATORS) - {"Null"} == {case[0] for case in CASES}


@pytest.mark.parametrize(("operator", "values", "_hit", "_miss"), CASES)
def test_a_missing_key_fails_positive_operators_and_meets_negated_ones(
    operator: str, values: object, _hit: str, _miss: str
) -> None:
    """If the key is missing, positive operators fail, negated ones are met, and each operator with IfExists is met."""
    assert (operator in NEGATED) is holds(operator, "aws:some-key", values, {})
    assert (operator in NEGATED) is holds(operator, "aws:some-key", values, {"aws:some-key": ()})
    assert holds(f"{operator}IfExists", "aws:some-key", values, {})


@pytest.mark.parametrize(("operator", "values", "hit", "miss"), CASES)
def test_if_exists_changes_nothing_for_a_key_that_is_there(operator: str, values: object, hit: str, miss: str) -> None:
    """IfExists has no effect if the request has the key."""
    assert holds(f"{operator}IfExists", "aws:some-key", values, {"aws:some-key": hit})
    assert not holds(f"{operator}IfExists", "aws:some-key", values, {"aws:some-key": miss})


@pytest.mark.parametrize(("operator", "values", "hit", "miss"), CASES)
def test_sets_of_values_are_asked_for_one_or_for_all(operator: str, values: object, hit: str, miss: str) -> None:
    """ForAnyValue requires that one value matches, and ForAllValues requires that all values match."""
    both = {"aws:some-key": (miss, hit)}
    assert holds(f"ForAnyValue:{operator}", "aws:some-key", values, both)
    assert not holds(f"ForAnyValue:{operator}", "aws:some-key", values, {"aws:some-key": (miss, miss)})
    assert holds(f"ForAllValues:{operator}", "aws:some-key", values, {"aws:some-key": (hit, hit)})
    assert not holds(f"ForAllValues:{operator}", "aws:some-key", values, both)


@pytest.mark.parametrize(("operator", "values", "_hit", "_miss"), CASES)
def test_an_empty_set_fails_for_any_value_and_meets_for_all_values(
    operator: str, values: object, _hit: str, _miss: str
) -> None:
    """An empty set (a missing key, no values, only empty strings) fails ForAnyValue and meets ForAllValues."""
    for context in ({}, {"aws:some-key": ()}, {"aws:some-key": ("",)}):
        assert not holds(f"ForAnyValue:{operator}", "aws:some-key", values, context)
        assert holds(f"ForAllValues:{operator}", "aws:some-key", values, context)
    assert holds(f"ForAnyValue:{operator}IfExists", "aws:some-key", values, {})


def test_a_plain_operator_on_several_values_is_met_by_one() -> None:
    """A plain operator on several values needs one match; a negated one requires that no value matches."""
    assert holds("StringEquals", "aws:TagKeys", "a", {"aws:TagKeys": ("a", "b")})
    assert not holds("StringEquals", "aws:TagKeys", "c", {"aws:TagKeys": ("a", "b")})
    assert not holds("StringNotEquals", "aws:TagKeys", "a", {"aws:TagKeys": ("a", "b")})
    assert holds("StringNotEquals", "aws:TagKeys", "c", {"aws:TagKeys": ("a", "b")})


def test_empty_text_is_a_value_for_a_plain_operator() -> None:
    """The empty string is a value for a plain operator; only sets of empty strings count as empty."""
    for operator, met in (("StringEquals", True), ("StringLike", True), ("StringNotLike", False)):
        assert met is holds(operator, "s3:prefix", ["", "home/"], {"s3:prefix": ""})
    assert holds("StringNotLike", "s3:prefix", "home/*", {"s3:prefix": ""})


def test_null_true_wants_the_key_absent() -> None:
    """Null `true` requires that the key is absent, `false` that it is present.

    A key whose value is the empty string counts as absent.
    """
    assert holds("Null", "aws:TokenIssueTime", "true", {})
    assert not holds("Null", "aws:TokenIssueTime", "true", {"aws:TokenIssueTime": "2026"})
    assert holds("Null", "aws:TokenIssueTime", False, {"aws:TokenIssueTime": "2026"})
    assert not holds("Null", "aws:TokenIssueTime", False, {"aws:TokenIssueTime": ""})
    assert holds("Null", "aws:TagKeys", False, {"aws:TagKeys": ("", "a")})
    assert not holds("Null", "aws:TokenIssueTime", "false", {"aws:TokenIssueTime": ()})
    assert holds("Null", "aws:TokenIssueTime", ["true", "false"], {})


def test_keys_are_compared_without_case_values_with_it() -> None:
    """Condition keys and tag keys are compared ignoring case, and tag values are compared exactly."""
    assert holds("StringEquals", "AWS:principaltag/TEAM", "Red", {"aws:PrincipalTag/Team": "Red"})
    assert not holds("StringEquals", "aws:PrincipalTag/Team", "red", {"aws:PrincipalTag/Team": "Red"})


def test_two_spellings_of_a_key_are_one_key_with_all_values() -> None:
    """Two spellings of a key are one key with the values of both."""
    context = {"aws:ResourceTag/Team": "red", "aws:ResourceTag/team": "blue"}
    assert holds("StringEquals", "aws:ResourceTag/Team", "red", context)
    assert holds("StringEquals", "aws:ResourceTag/Team", "blue", context)


@pytest.mark.parametrize(
    ("operator", "values", "garbage"),
    [
        ("NumericLessThan", "5", "many"),
        ("NumericNotEquals", "5", "many"),
        ("DateLessThan", "2026", "soon"),
        ("DateNotEquals", "2026", "soon"),
        ("IpAddress", "10.0.0.0/8", "here"),
        ("NotIpAddress", "10.0.0.0/8", "here"),
    ],
)
def test_what_cannot_be_compared_neither_allows_nor_escapes_a_deny(operator: str, values: str, garbage: str) -> None:
    """If a value is not a number, date or address, the condition matches in a Deny and not in an Allow.

    The result is the same for negated operators.
    """
    for prefix in ("", "ForAnyValue:", "ForAllValues:"):
        context = {"aws:some-key": garbage}
        assert not holds(prefix + operator, "aws:some-key", values, context)
        assert holds(prefix + operator, "aws:some-key", values, context, effect="Deny")


def test_a_value_that_settles_the_matter_outweighs_one_that_cannot_be_read() -> None:
    """If one value decides the condition, a value that cannot be parsed has no effect, in either order."""
    for context in ({"k:k": ("many", "3")}, {"k:k": ("3", "many")}):
        assert holds("ForAnyValue:NumericLessThan", "k:k", "5", context)
        assert not holds("ForAllValues:NumericGreaterThan", "k:k", "5", context, effect="Deny")


def test_variables_are_filled_from_the_request() -> None:
    """Variables in String, Arn and Bool values are replaced in version 2012-10-17."""
    context = {"aws:username": "alice", "aws:PrincipalTag/Owner": "alice", "aws:PrincipalTag/Mfa": "true"}
    arn = {"aws:SourceArn": "arn:aws:iam::1:user/alice", **context}
    assert holds("StringEquals", "aws:PrincipalTag/Owner", "${aws:username}", context)
    assert holds(
        "StringLike",
        "aws:PrincipalTag/Owner",
        "al*${AWS:PrincipalTag/mfa}",
        {"aws:PrincipalTag/Owner": "alxtrue", "aws:PrincipalTag/Mfa": "true"},
    )
    assert holds("ArnLike", "aws:SourceArn", "arn:aws:iam::*:user/${aws:username}", arn)
    assert holds(
        "Bool",
        "aws:MultiFactorAuthPresent",
        "${aws:PrincipalTag/Mfa}",
        {"aws:MultiFactorAuthPresent": "true", **context},
    )
    assert not holds("StringEquals", "aws:PrincipalTag/Owner", "${aws:username}", context | {"aws:username": "bob"})


def test_a_variable_may_bring_a_whole_arn() -> None:
    """A variable's value may be a whole ARN, whose colons separate the ARN's parts.

    Wildcards in the value are literal.
    """
    context = {"aws:SourceArn": "arn:aws:iam::1:user/a", "aws:PrincipalTag/Arn": "arn:aws:iam::1:user/a"}
    assert holds("ArnEquals", "aws:SourceArn", "${aws:PrincipalTag/Arn}", context)
    starred = context | {"aws:PrincipalTag/Arn": "arn:aws:iam::1:user/*"}
    assert not holds("ArnEquals", "aws:SourceArn", "${aws:PrincipalTag/Arn}", starred)


def test_a_variable_cannot_move_the_parts_of_an_arn() -> None:
    """Colons in a variable's value, such as a tag, do not shift the parts of the ARN.

    The account that follows the variable must still match.
    """
    pattern = "arn:aws:sns:${aws:PrincipalTag/Region}:222222222222:*"
    other = "arn:aws:sns:us-east-1:111111111111:topic:222222222222:x"

    for tag, source, expected in (
        ("us-east-1", "arn:aws:sns:us-east-1:222222222222:topic", True),
        ("us-east-1", other, False),
        ("us-east-1:111111111111:topic", other, False),
    ):
        request = {"aws:PrincipalTag/Region": tag, "aws:SourceArn": source}
        assert expected is holds("ArnLike", "aws:SourceArn", pattern, request)
        assert expected is not holds("ArnNotLike", "aws:SourceArn", pattern, request)


def test_variables_are_text_in_version_2008() -> None:
    """In version 2008-10-17 `${aws:username}` is not a variable but literal text."""
    context = {"aws:PrincipalTag/Owner": "alice", "aws:username": "alice"}
    arguments = ("StringEquals", "aws:PrincipalTag/Owner", "${aws:username}")
    assert not holds(*arguments, context, version="2008-10-17")
    literal = {"aws:PrincipalTag/Owner": "${aws:username}"}
    assert holds(*arguments, literal, version="2008-10-17")
    assert not holds(*arguments, literal)


def test_wildcards_from_a_variable_are_literal() -> None:
    """A wildcard from a variable is literal (a user with the name `*`); the policy's own wildcards work."""
    context = {"aws:username": "*", "aws:userid": "anything"}
    assert not holds("StringLike", "aws:userid", "${aws:username}", context)
    assert holds("StringLike", "aws:userid", "${aws:username}", context | {"aws:userid": "*"})
    assert holds("StringLike", "aws:userid", "any*", context)


def test_an_escaped_star_is_a_star() -> None:
    """`${*}` in StringLike matches a literal star only."""
    assert holds("StringLike", "aws:userid", "a${*}", {"aws:userid": "a*"})
    assert not holds("StringLike", "aws:userid", "a${*}", {"aws:userid": "ab"})


def test_a_variable_without_value_matches_nothing() -> None:
    """A variable without a value fails positive operators and meets negated ones, unless it has a default value."""
    context = {"aws:userid": "x"}
    assert not holds("StringLike", "aws:userid", "${aws:username}*", context)
    assert holds("StringNotEquals", "aws:userid", "${aws:username}", context)
    assert holds("StringEquals", "aws:userid", ["${aws:username}", "x"], context)
    assert holds("StringEquals", "aws:userid", "${aws:username, 'x'}", context)
    assert not holds("StringEquals", "aws:userid", "${aws:username, 'x'}", {"aws:userid": "x", "aws:username": "y"})


def test_an_arn_operator_on_what_is_no_arn_matches_nothing() -> None:
    """ARN operators never match a value or pattern without six parts."""
    assert not holds("ArnLike", "aws:SourceArn", "arn:aws:iam::*:*", {"aws:SourceArn": "alice"})
    assert not holds("ArnLike", "aws:SourceArn", "*", {"aws:SourceArn": PRINCIPAL_ARN})
    assert holds("ArnNotLike", "aws:SourceArn", "arn:aws:iam::*:*", {"aws:SourceArn": "alice"})


def test_no_values_match_nothing() -> None:
    """A condition with an empty list of values is never met; a negated one is always met."""
    assert not holds("StringEquals", "aws:userid", [], {"aws:userid": "x"})
    assert not holds("StringLike", "aws:userid", [], {"aws:userid": "x"})
    assert holds("StringNotEquals", "aws:userid", [], {"aws:userid": "x"})


@pytest.mark.parametrize(
    "operator",
    [
        "StringMatches",
        "stringequals",
        "StringEqualsifexists",
        "NullIfExists",
        "ForAnyValue:Null",
        "IfExists",
        "",
        "ForSomeValues:StringEquals",
        "ForAllValues:ForAnyValue:StringEquals",
        "BinaryNotEquals",
        "NotBool",
        "StringEqualsIfExistsIfExists",
        "DateNotLessThan",
    ],
)
def test_an_operator_that_aws_has_not_is_refused(operator: str) -> None:
    """An unknown operator is refused."""
    with pytest.raises(ValueError, match=r"Null|is not a condition operator"):
        parse_operator(operator)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("stringequals", "StringEquals"),
        ("ForAnyvalue:StringLik", "ForAnyValue:StringLike"),
        ("IPAddressIfExists", "IpAddressIfExists"),
        ("Xyzzy", ""),
    ],
)
def test_the_nearest_operator_is_offered(written: str, meant: str) -> None:
    """The error for a misspelt operator suggests the nearest operator, if any operator resembles it."""
    assert meant == nearest_operator(written)


@pytest.mark.parametrize(
    ("operator", "value"),
    [
        ("NumericEquals", "ten"),
        ("NumericLessThan", "${aws:MultiFactorAuthAge}"),
        ("DateLessThan", "tomorrow"),
        ("IpAddress", "10.0.0.0/40"),
        ("NotIpAddress", "localhost"),
        ("Bool", "yes"),
        ("Null", "maybe"),
        ("BinaryEquals", "not base64"),
        ("StringEquals", "${aws:username"),
    ],
)
def test_a_value_that_the_operator_cannot_compare_is_refused(operator: str, value: str) -> None:
    """A policy value that its operator cannot compare (number, date, range) is refused."""
    with pytest.raises(ValueError):
        compile_condition(operator, "aws:key", [value], 1, has_variables=True)


def test_an_external_id_does_not_print_itself() -> None:
    """A condition's repr shows key and operator; it does not show the value of an external ID."""
    condition = compile_condition("StringEquals", "sts:ExternalId", ["hush"], 7, has_variables=True)
    assert "hush" not in repr(condition)
    assert "***" in repr(condition)
    shown_text = compile_condition("StringEquals", "aws:userid", ["open"], 7, has_variables=True)
    assert "open" in repr(shown_text)
