"""The environment of the child process: precedence, removed variables, and values that are refused."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from dsops.credentials import Credentials
from dsops.environment import IDENTITY, ChildIdentity, child_environment, encode, endpoint_variables, session_variables
from dsops.errors import ValueUnusable
from dsops.secret import Secret


def test_a_variable_without_a_name_is_not_handed_on() -> None:
    """An inherited variable with an empty name, which only C can create, is dropped, because exec refuses it."""
    assert encode(child_environment({"": "x", "HOME": "/h"}, {})) == {b"HOME": b"/h"}


def test_own_values_win_over_inherited_ones() -> None:
    """The configuration's variables replace inherited ones; all others are inherited."""
    child = child_environment({"TOKEN": "theirs", "HOME": "/h"}, {"TOKEN": Secret("ours")})
    assert encode(child) == {b"TOKEN": b"ours", b"HOME": b"/h"}
    assert child.kept == ()


def test_keeping_existing_turns_that_round() -> None:
    """With keeps_existing an inherited value stays, even if it is empty, and only missing variables are added."""
    secrets = {"TOKEN": Secret("ours"), "EMPTY": Secret("ours"), "NEW": Secret("ours")}
    child = child_environment({"TOKEN": "theirs", "EMPTY": ""}, secrets, keeps_existing=True)
    assert encode(child) == {b"TOKEN": b"theirs", b"EMPTY": b"", b"NEW": b"ours"}
    assert child.kept == ("EMPTY", "TOKEN")


def test_pristine_passes_ours_and_what_every_program_needs() -> None:
    """With is_pristine the child inherits only PATH, HOME, locale, terminal and similar variables."""
    needed = dict.fromkeys(("PATH", "HOME", "TERM", "LANG", "LC_TIME", "USER", "TZ", "TMPDIR"), "theirs")
    others = {"GITHUB_TOKEN": "t", "AWS_REGION": "eu-west-1", "LD_PRELOAD": "x.so", "LCD": "no locale"}
    child = child_environment({**needed, **others}, {"A": Secret("1")}, is_pristine=True)
    assert dict(child.variables) == {**needed, "A": Secret("1")}


@pytest.mark.parametrize("name", IDENTITY)
def test_another_identity_is_removed_when_ours_is_set(name: str) -> None:
    """If dsops sets an identity, every inherited variable that would select another identity is removed.

    The removed variables are reported.
    """
    parent = {name: "theirs", "AWS_CREDENTIAL_EXPIRATION": "soon", "AWS_REGION": "eu-west-1"}
    secrets = {"AWS_ACCESS_KEY_ID": Secret("AKIA"), "AWS_SECRET_ACCESS_KEY": Secret("s")}
    child = child_environment(parent, secrets)
    assert set(child.variables) == {*secrets, "AWS_REGION"}
    assert set(child.removed) == {name, "AWS_CREDENTIAL_EXPIRATION"} - set(secrets)


@pytest.mark.parametrize("name", [*IDENTITY[:3], "AWS_PROFILE"])
def test_any_part_of_our_identity_removes_theirs(name: str) -> None:
    """If dsops sets one variable of an identity, all inherited identity variables are removed.

    Key and token of two sessions must not be mixed.
    """
    parent = dict.fromkeys(IDENTITY, "theirs")
    assert set(child_environment(parent, {name: Secret("ours")}).variables) == {name}


@pytest.mark.parametrize("name", ["AWS_BEARER_TOKEN_BEDROCK", "AWS_ACCESS_KEY", "AWS_SECRET_KEY"])
def test_what_only_some_sdks_read_is_an_identity_too(name: str) -> None:
    """Bearer tokens and the older Java SDK's key names count as identities, because some SDKs prefer them."""
    child = child_environment({name: "theirs", "AWS_REGION": "eu-west-1"}, {"AWS_PROFILE": Secret("ours")})
    assert dict(child.variables) == {"AWS_REGION": "eu-west-1", "AWS_PROFILE": Secret("ours")}
    assert child.removed == (name,)
    assert child_environment({name: "theirs"}, {"TOKEN": Secret("t")}).variables[name] == "theirs"


def test_an_inherited_identity_stays_when_we_set_none() -> None:
    """If dsops sets no identity, the inherited identity stays, so that the command uses AWS as its caller does."""
    parent = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_PROFILE": "p"}
    child = child_environment(parent, {"AWS_REGION": Secret("eu-west-1"), "TOKEN": Secret("t")})
    assert child.variables["AWS_ACCESS_KEY_ID"] == "AKIA"
    assert child.removed == ()


def test_keeping_existing_keeps_an_identity_whole() -> None:
    """With keeps_existing an inherited identity is kept as a whole: its key is never combined with dsops' token."""
    secrets = {name: Secret("ours") for name in IDENTITY[:3]} | {"TOKEN": Secret("t")}
    child = child_environment({"AWS_ACCESS_KEY_ID": "theirs"}, secrets, keeps_existing=True)
    assert dict(child.variables) == {"AWS_ACCESS_KEY_ID": "theirs", "TOKEN": Secret("t")}
    assert child.kept == tuple(sorted(IDENTITY[:3]))


def test_keeping_existing_does_not_keep_an_expiry_without_its_session() -> None:
    """With keeps_existing, an inherited expiry variable is removed if no session credentials are inherited with it."""
    secrets = {name: Secret("ours") for name in IDENTITY[:3]}
    child = child_environment({"AWS_CREDENTIAL_EXPIRATION": "soon"}, secrets, keeps_existing=True)
    assert dict(child.variables) == secrets
    assert child.removed == ("AWS_CREDENTIAL_EXPIRATION",)


def test_values_that_are_not_utf8_survive() -> None:
    """Values that are not UTF-8 reach the child unchanged."""
    child = child_environment({"LATIN": "caf\udce9"}, {"BINARY": Secret.from_bytes(b"\xff\xfe\x01")})
    assert encode(child) == {b"LATIN": b"caf\xe9", b"BINARY": b"\xff\xfe\x01"}


def test_an_empty_secret_is_an_empty_variable() -> None:
    """An empty secret is an empty variable."""
    assert encode(child_environment({}, {"EMPTY": Secret("")})) == {b"EMPTY": b""}


@pytest.mark.parametrize("value", ["hush\0hush", "hush\ud800"])
def test_a_value_that_no_variable_can_hold_is_refused_by_name(value: str) -> None:
    """A value with NUL or a lone surrogate is refused; the error names the variable without showing the value."""
    with pytest.raises(ValueUnusable) as caught:
        encode(child_environment({}, {"TOKEN": Secret(value)}))
    assert "`TOKEN`" in caught.value.message
    assert "hush" not in f"{caught.value.message}{caught.value.why}{caught.value.hint}"
    assert caught.value.__cause__ is None


def test_the_child_environment_does_not_print_secrets() -> None:
    """The repr of a child environment shows no value."""
    assert "hush" not in repr(child_environment({}, {"TOKEN": Secret("hush")}))


KEYS = Credentials("ASIAEXAMPLE", Secret("key"), Secret("token"), datetime(2026, 11, 24, 13, tzinfo=UTC))


def test_a_session_is_its_three_parts_and_its_end() -> None:
    """A session sets the variables of key ID, secret key, token and expiry; a long-term key sets the first two."""
    assert session_variables(KEYS) == {
        "AWS_ACCESS_KEY_ID": Secret("ASIAEXAMPLE"),
        "AWS_SECRET_ACCESS_KEY": Secret("key"),
        "AWS_SESSION_TOKEN": Secret("token"),
        "AWS_CREDENTIAL_EXPIRATION": Secret("2026-11-24T13:00:00Z"),
    }
    assert len(session_variables(Credentials("AKIA", Secret("key")))) == 2


@pytest.mark.parametrize("name", IDENTITY)
@pytest.mark.parametrize("keeps_existing", [False, True])
def test_a_session_that_was_asked_for_wins_over_everything_inherited(name: str, *, keeps_existing: bool) -> None:
    """The session of `--credentials` replaces every inherited identity, even with keeps_existing."""
    parent = {name: "theirs", "AWS_CREDENTIAL_EXPIRATION": "soon", "HOME": "/h"}
    session = ChildIdentity(session_variables(KEYS), "us-east-1")
    child = child_environment(parent, {}, session=session, keeps_existing=keeps_existing)
    regions = {"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1"}
    assert dict(child.variables) == {"HOME": "/h", **session.variables, **regions}


def test_an_endpoint_leaves_no_other_place_to_look() -> None:
    """With a credential endpoint, the child gets no inherited keys or profile, and empty AWS files."""
    parent = {
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_PROFILE": "c",
        "AWS_CONFIG_FILE": "/d",
        "AWS_WEB_IDENTITY_TOKEN_FILE": "/e",
        "AWS_ROLE_ARN": "f",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/g",
    }
    session = ChildIdentity(endpoint_variables("http://127.0.0.1:1/credentials", Secret("t"), "/empty"), "")
    assert dict(child_environment(parent, {}, session=session).variables) == {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": Secret("http://127.0.0.1:1/credentials"),
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": Secret("t"),
        "AWS_CONFIG_FILE": Secret("/empty"),
        "AWS_SHARED_CREDENTIALS_FILE": Secret("/empty"),
    }


@pytest.mark.parametrize(
    ("parent", "secrets", "region"),
    [
        ({}, {}, "us-east-1"),
        ({"AWS_REGION": "eu-west-1"}, {}, "eu-west-1"),
        ({"AWS_DEFAULT_REGION": "eu-west-1", "AWS_REGION": ""}, {}, "eu-west-1"),
        ({"AWS_REGION": "eu-west-1"}, {"AWS_REGION": Secret("ap-south-1")}, "ap-south-1"),
    ],
)
def test_the_region_is_the_stores_unless_a_variable_names_one(
    parent: dict[str, str], secrets: dict[str, Secret], region: str
) -> None:
    """The region is the store's, unless a variable of the environment sets one.

    The child gets the region under both names that SDKs read.
    """
    child = child_environment(parent, secrets, session=ChildIdentity(session_variables(KEYS), "us-east-1"))
    found = encode(child)
    assert (found[b"AWS_REGION"], found[b"AWS_DEFAULT_REGION"]) == (region.encode(), region.encode())


@pytest.mark.parametrize(("is_pristine", "keeps_existing"), [(False, False), (True, False), (False, True)])
def test_marks_replace_those_of_the_parent(*, is_pristine: bool, keeps_existing: bool) -> None:
    """New DSOPS_ variables replace all DSOPS_ variables of an outer session.

    If there are no new ones, the outer ones are inherited.
    """
    parent = {"DSOPS_ACTIVE": "outer", "DSOPS_EXPIRES": "2026-11-28T15:07:18Z", "DSOPS_DANGER": "1"}
    marks = {"DSOPS_ACTIVE": "inner"}
    child = child_environment(parent, {}, marks=marks, is_pristine=is_pristine, keeps_existing=keeps_existing)
    assert child.variables == {"DSOPS_ACTIVE": "inner"}
    assert child_environment(parent, {}).variables == parent
