"""Normalise references to secrets, and count the requests that they need."""

from __future__ import annotations

import pytest

from dsops.errors import ConfigError
from dsops.plan import Plan, SecretReference, in_calls
from dsops.plan.references import PARTS
from tests.plans import plan_of

ARN = "arn:aws:secretsmanager:us-east-1:222222222222:secret:db-AbCdEf"
PARAMETER = "arn:aws:ssm:us-east-1:222222222222:parameter/db/password"


def planned(*sources: str, kind: str = "aws.secretsmanager", more: str = "") -> Plan:
    """Return a plan of variables with these `from` mappings."""
    lines = "".join(f"    V{index}: {{from: {{store: s, {source}}}}}\n" for index, source in enumerate(sources))
    return plan_of(f"secretStores:\n  s: {{type: {kind}{more}}}\nenvs:\n  e:\n{lines}")


def reference(source: str, kind: str = "aws.secretsmanager") -> SecretReference | None:
    """Return the reference of one variable."""
    return planned(source, kind=kind).variables[0].reference


def problems(source: str, kind: str = "aws.secretsmanager") -> str:
    """Return the message of the only problem."""
    with pytest.raises(ConfigError) as caught:
        planned(source, kind=kind)
    (problem,) = caught.value.problems
    assert problem.where.line == 5
    return problem.message


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("key: prod/db", SecretReference("prod/db", "", "")),
        ("key: 'prod/db#.password'", SecretReference("prod/db", "", ".password")),
        ("key: prod/db, field: password", SecretReference("prod/db", "", "password")),
        ("key: prod/db, version: latest", SecretReference("prod/db", "", "")),
        ("key: prod/db, version: AWSPREVIOUS", SecretReference("prod/db", "AWSPREVIOUS", "")),
        (f"key: '{ARN}#.a.b'", SecretReference(ARN, "", ".a.b")),
        ("key: 'a/_+=.@!-Z9'", SecretReference("a/_+=.@!-Z9", "", "")),
    ],
)
def test_one_secret_has_one_spelling(source: str, expected: SecretReference) -> None:
    """Different spellings of a secret are normalised to one reference, so that it is read once."""
    assert reference(source) == expected


def test_other_stores_keep_their_keys() -> None:
    """In stores other than Secrets Manager `#` is part of the key."""
    text = "secretStores: {s: {type: env}}\nenvs: {e: {A: {from: {store: s, key: 'a#b'}}}}"
    assert plan_of(text).variables[0].reference == SecretReference("a#b", "", "")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("key: ''", "the secret's name is empty"),
        ("key: 'a b'", "has a space in it"),
        ("key: 'a:b'", "has `:` in it"),
        (f"key: '{'x' * 513}'", "has 513 characters"),
        ("key: 'a#.x', field: y", "a field is named twice"),
        (f"key: '{PARAMETER}'", "is not the ARN of a secret"),
        ("key: 'arn:aws:secretsmanager:us-east-1:222222222222:db'", "is not the ARN of a secret"),
        (f"key: '{ARN.replace('arn:aws:', 'arn:aws-cn:').replace('us-east', 'cn-north')}'", "in the partition aws-cn"),
        (f"key: '{ARN.replace('us-east-1', 'cn-north-1')}'", "names the partition aws, and its region cn-north-1"),
        (f"key: '{ARN.replace('us-east-1', 'evil.example/')}'", "is not the ARN of a secret"),
        (f"key: a, version: '{'v' * 257}'", "at most 256 characters"),
    ],
)
def test_a_secret_that_aws_would_refuse_is_refused(source: str, expected: str) -> None:
    """A secret ID that AWS would refuse is an error with its line, before any call."""
    assert expected in problems(source)


def test_a_secret_in_another_region_is_read_there() -> None:
    """A secret ARN of another region is read in that region, and the plan has a note."""
    plan = planned(f"key: '{ARN.replace('us-east-1', 'eu-west-1')}'")
    assert plan.notes == (
        f"{ARN.replace('us-east-1', 'eu-west-1')} is read in its own region eu-west-1, not in us-east-1 of store `s`",
    )
    assert planned(f"key: '{ARN}'").notes == ()


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("key: /prod/db", SecretReference("/prod/db", "", "")),
        ("key: '/prod/db:3'", SecretReference("/prod/db:3", "", "")),
        ("key: /prod/db, version: '3'", SecretReference("/prod/db", "3", "")),
        ("key: '/prod/db#.user'", SecretReference("/prod/db", "", ".user")),
        (f"key: '{PARAMETER}'", SecretReference(PARAMETER, "", "")),
    ],
)
def test_one_parameter_has_one_spelling(source: str, expected: SecretReference) -> None:
    """Different spellings of a parameter are normalised to one reference."""
    assert reference(source, "aws.ssm") == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("key: ''", "the parameter's name is empty"),
        ("key: 'a b'", "has a space in it"),
        ("key: 'a:1:2'", "is not one that AWS takes"),
        ("key: 'a:1', version: '2'", "a version is named twice: `1` and `2`"),
        (f"key: '{ARN}'", "is not the ARN of a parameter"),
    ],
)
def test_a_parameter_that_aws_would_refuse_is_refused(source: str, expected: str) -> None:
    """A parameter name that AWS would refuse is an error with its line, before any call."""
    assert expected in problems(source, "aws.ssm")


def test_parts_of_a_session_have_one_spelling() -> None:
    """The original tool's and AWS's names of session parts are normalised to dsops's names."""
    role = '{type: aws.sts, role_arn: "arn:aws:iam::222222222222:role/R"}'
    for part, spellings in PARTS.items():
        for spelling in (part, *spellings):
            text = f"secretStores: {{s: {role}}}\nenvs: {{e: {{A: {{from: {{store: s, key: {spelling}}}}}}}}}"
            assert plan_of(text).variables[0].reference == SecretReference(part, "", "")


def test_an_unknown_part_of_a_session_is_refused() -> None:
    """An unknown session part is refused with a suggestion, even if a variable supplied it."""
    role = '{type: aws.sts, role_arn: "arn:aws:iam::222222222222:role/R"}'
    text = f"secretStores: {{s: {role}}}\nenvs: {{e: {{A: {{from: {{store: s, key: '${{K}}'}}}}}}}}"
    with pytest.raises(ConfigError) as caught:
        plan_of(text, environ={"K": "acces_key_id"})
    assert caught.value.problems[0].hint == "did you mean `access_key_id`?"


@pytest.mark.parametrize(
    ("count", "more", "calls"),
    [(1, "", 1), (10, "", 10), (11, "", 1), (20, "", 1), (21, "", 2), (100, "", 5), (100, ", batch: never", 100)],
)
def test_calls_to_secrets_manager(count: int, more: str, calls: int) -> None:
    """Up to ten secrets are read one by one; more are read in batches of twenty, unless `batch: never`."""
    assert planned(*[f"key: s{number}" for number in range(count)], more=more).calls == calls


def test_versions_are_read_one_by_one() -> None:
    """Secrets with a version are read one by one, because batches return current versions only."""
    keys = [f"key: s{number}" for number in range(11)]
    assert planned(*keys, "key: s0, version: AWSPREVIOUS").calls == 2


@pytest.mark.parametrize(("count", "calls"), [(1, 1), (10, 1), (11, 2), (100, 10)])
def test_calls_to_parameter_store(count: int, calls: int) -> None:
    """Ten parameters are read per call."""
    assert planned(*[f"key: s{number}" for number in range(count)], kind="aws.ssm").calls == calls


def test_two_versions_of_a_parameter_never_share_a_call() -> None:
    """Two versions of a parameter, or a name and its label, are read in different calls."""
    name, arn = "/prod/db", "arn:aws:ssm:us-east-1:222222222222:parameter/prod/db"
    assert in_calls([name, f"{name}:1", "/other", f"{name}:stable", arn, f"{arn}:2"]) == [
        [name, "/other", arn],
        [f"{name}:1", f"{arn}:2"],
        [f"{name}:stable"],
    ]
    assert [len(call) for call in in_calls(f"/k{number}" for number in range(21))] == [10, 10, 1]
    assert planned("key: /db", "key: '/db:1'", "key: /db, version: '2'", kind="aws.ssm").calls == 3


def test_a_secret_is_counted_once_however_many_variables_read_it() -> None:
    """If several variables use one secret, it counts as one read."""
    assert planned("key: 's#.a'", "key: 's#.b'", "key: s").calls == 1
