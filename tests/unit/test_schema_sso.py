"""The keys of an `aws.sso` store."""

from __future__ import annotations

import pytest

from dsops.document import Mapping, parse_yaml
from dsops.errors import Problem, Where
from dsops.model import Field
from dsops.schema import BUILTIN_TYPES
from dsops.schema.check import CheckedStore, check_store

GOOD = {
    "start_url": "https://d-1234567890.awsapps.com/start",
    "sso_region": "eu-central-1",
    "account_id": "012345678901",
    "role_name": "Admin",
}


def checked(**fields: str) -> CheckedStore:
    """Return the result of checking a whole store; empty fields are left out."""
    text = "\n".join(f"{name}: {value}" for name, value in {**GOOD, **fields}.items() if value)
    root = parse_yaml(text, "dsops.yaml").root
    assert isinstance(root, Mapping)
    found = {key.text: Field(node, Where("dsops.yaml", key.line)) for key, node in root.entries}
    return check_store(BUILTIN_TYPES["aws.sso"], found, Where("dsops.yaml"), "secretStores.x")


def only(found: CheckedStore) -> Problem:
    """Return the only problem or limit."""
    (problem,) = (*found.problems, *found.limits)
    return problem


@pytest.mark.parametrize(
    "url", [GOOD["start_url"], f"{GOOD['start_url']}#/", "https://start.us-gov-home.awsapps.com/directory/d-1"]
)
def test_a_start_url_is_kept_as_it_is_written(url: str) -> None:
    """A start URL is kept as written, because the name of the token file depends on it, as in the AWS CLI."""
    assert url == checked(start_url=f"'{url}'").settings["start_url"]


def test_an_account_id_never_becomes_a_number() -> None:
    """An account id keeps its leading zeros and is never read as octal."""
    assert "012345678901" == checked(account_id="012345678901").settings["account_id"]
    assert "000000000001" == checked(account_id="000000000001").settings["account_id"]


@pytest.mark.parametrize(
    ("fields", "message", "hint"),
    [
        ({"account_id": "12345678901"}, "takes twelve digits", "did you mean `012345678901`? leading zeros count"),
        ({"account_id": "0123-4567-8901"}, "takes twelve digits", "did you mean `012345678901`?"),
        ({"account_id": "0123456789012"}, "takes twelve digits", "an account id has 12 digits, this one has 13"),
        ({"account_id": "mine"}, "takes twelve digits", "the access portal shows it"),
        ({"role_name": "AWSReservedSSO_Admin_0123456789abcdef"}, "permission set's name", "is called `Admin`"),
        (
            {"role_name": "arn:aws:iam::012345678901:role/AWSReservedSSO_Admin_0123456789abcdef"},
            "permission set's name",
            "is called `Admin`",
        ),
        ({"role_name": "A" * 33}, "permission set's name: up to 32", ""),
        ({"role_name": "'my role'"}, "permission set's name", ""),
        ({"start_url": "http://d-1.awsapps.com/start"}, "an https address", "write `https://d-1.awsapps.com/start`"),
        ({"start_url": "d-1.awsapps.com/start"}, "an https address", ""),
        ({"sso_region": "eu_central_1"}, "a region's name", "did you mean `eu-central-1`?"),
        ({"sso_region": "eu-central-1/x"}, "a region's name", ""),
    ],
)
def test_a_value_that_aws_would_refuse_is_told_with_what_was_meant(
    fields: dict[str, str], message: str, hint: str
) -> None:
    """A value that AWS would refuse is reported before any call, with a hint."""
    problem = only(checked(**fields))
    assert message in problem.message
    assert hint in problem.hint


@pytest.mark.parametrize(
    ("fields", "message", "hint"),
    [
        ({"sso_session": "corp", "sso_region": ""}, "`start_url` does not go with `sso_session`", "remove one"),
        ({"sso_session": "corp", "start_url": ""}, "`sso_region` does not go with `sso_session`", "remove one"),
        ({"start_url": "", "sso_region": ""}, "nothing says where to log in", "set `sso_session`, or `start_url`"),
        ({"start_url": ""}, "nothing says where to log in", "set `sso_session`, or `start_url`"),
        ({"sso_region": ""}, "`start_url` without `sso_region`", "set `sso_region`"),
    ],
)
def test_where_to_log_in_is_said_once_and_whole(fields: dict[str, str], message: str, hint: str) -> None:
    """A store names its login by `sso_session`, or by start URL and region, but not by both."""
    problem = only(checked(**fields))
    assert message in problem.message
    assert hint in problem.hint


def test_a_session_alone_is_enough() -> None:
    """A store with only `sso_session` is valid, since that section of the AWS config file has the other fields."""
    found = checked(sso_session="corp", start_url="", sso_region="")
    assert ((), ()) == (found.problems, found.limits)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("profile", "come from a login"),
        ("credentials_from", "come from a login"),
        ("role_arn", "a store of type aws.sts with `credentials_from`"),
        ("duration_seconds", "the permission set's session duration counts"),
        ("sso_account_id", "here it is called `account_id`"),
        ("sso_role_name", "here it is called `role_name`"),
        ("sso_start_url", "here it is called `start_url`"),
        ("role_nam", "did you mean `role_name`?"),
    ],
)
def test_a_key_that_it_does_not_take_is_told_with_what_to_do(name: str, hint: str) -> None:
    """A key of ~/.aws/config, or of a store of another type, is refused with a hint."""
    problem = only(checked(**{name: "x"}))
    assert f"aws.sso has no key `{name}`" == problem.message
    assert hint in problem.hint


@pytest.mark.parametrize("name", ["account_id", "role_name"])
def test_account_and_permission_set_are_needed(name: str) -> None:
    """`account_id` and `role_name` are required."""
    assert f"`{name}` is missing" == only(checked(**{name: ""})).message
