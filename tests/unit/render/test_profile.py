"""Write a profile's section, and change one profile in a file of profiles."""

from __future__ import annotations

import configparser

import pytest

from dsops.errors import UsageError, ValueUnusable
from dsops.render.profile import put, section
from dsops.secret import Secret

SESSION = {
    "AWS_ACCESS_KEY_ID": Secret("ASIANEW"),
    "AWS_SECRET_ACCESS_KEY": Secret("new/key+"),
    "AWS_SESSION_TOKEN": Secret("new/token=="),
    "AWS_CREDENTIAL_EXPIRATION": Secret("2099-01-01T00:00:00Z"),
}
LONG_TERM = {**SESSION, "AWS_SESSION_TOKEN": Secret("")}
del LONG_TERM["AWS_CREDENTIAL_EXPIRATION"]

OLD = """\
# mine
[work]
aws_access_key_id = AKIAWORK
aws_secret_access_key = work-key

# the store's
[target]
AWS_ACCESS_KEY_ID: ASIAOLD
aws_secret_access_key = old-key
aws_session_token =
  old-token
# these keys end at 2001-01-01T00:00:00Z
region = eu-west-1

[last]
aws_access_key_id = AKIALAST
"""


def read(text: str) -> configparser.RawConfigParser:
    """Return the file as botocore reads it."""
    parser = configparser.RawConfigParser(default_section=None)  # type: ignore[call-overload]
    parser.read_string(text)
    assert isinstance(parser, configparser.RawConfigParser)
    return parser


def test_a_section_has_the_three_keys_and_says_when_they_end() -> None:
    """A section has the three keys, and a comment with their expiry for the reader of the file."""
    assert section("target", SESSION) == (
        "[target]\n"
        "# these keys end at 2099-01-01T00:00:00Z\n"
        "aws_access_key_id = ASIANEW\n"
        "aws_secret_access_key = new/key+\n"
        "aws_session_token = new/token==\n"
    )


def test_a_long_term_key_has_no_token() -> None:
    """The section of a long-term key has no token, because some programs would send an empty one."""
    assert section("me", LONG_TERM) == "[me]\naws_access_key_id = ASIANEW\naws_secret_access_key = new/key+\n"


def test_only_the_keys_of_that_profile_change() -> None:
    """Only the keys of the named profile are replaced; other profiles, settings and comments are kept."""
    new = put(OLD, "target", SESSION)
    parser = read(new)
    assert dict(parser["target"]) == {
        "aws_access_key_id": "ASIANEW",
        "aws_secret_access_key": "new/key+",
        "aws_session_token": "new/token==",
        "region": "eu-west-1",
    }
    assert dict(parser["work"]) == dict(read(OLD)["work"])
    assert dict(parser["last"]) == dict(read(OLD)["last"])
    assert "# mine\n" in new
    assert "# the store's\n" in new
    assert "old" not in new.lower()
    assert "2001" not in new


def test_the_same_keys_twice_are_the_same_file() -> None:
    """Writing the same keys twice gives the same file, so renewals do not make the file longer."""
    once = put(OLD, "target", SESSION)
    assert put(once, "target", SESSION) == once


def test_a_token_that_is_left_over_goes() -> None:
    """A session token left from earlier is removed, since AWS would refuse it with a long-term key."""
    assert "token" not in put(OLD, "target", LONG_TERM)


@pytest.mark.parametrize("old", ["", "[work]\nregion = eu-west-1", "[work]\nregion = eu-west-1\n"])
def test_a_profile_that_is_not_there_comes_last(old: str) -> None:
    """A profile that the file lacks is appended, even if the last line has no line break."""
    parser = read(put(old, "target", SESSION))
    assert parser.sections() == (["work", "target"] if old else ["target"])
    assert parser["target"]["aws_access_key_id"] == "ASIANEW"


def test_lines_of_windows_stay_as_they_are() -> None:
    """Sections in files with Windows line ends are found and changed."""
    new = put("[target]\r\naws_access_key_id = OLD\r\nregion = x\r\n[work]\r\nregion = y\r\n", "target", SESSION)
    assert "OLD" not in new
    assert new.endswith("region = x\r\n[work]\r\nregion = y\r\n")


@pytest.mark.parametrize("name", ["a]b", "a b", "a\n[b", "", "DEFAULT", "ä"])
def test_a_name_that_can_not_head_a_section_is_refused(name: str) -> None:
    """A name that no section can have is refused; so is `DEFAULT`, which would give its keys to all profiles."""
    with pytest.raises(UsageError):
        section(name, SESSION)


@pytest.mark.parametrize("name", ["a.b", "default", "aws-sts_prod", "me@work", "a/b+c"])
def test_other_names_are_good(name: str) -> None:
    """Names other than the forbidden ones are valid, including `default` in lower case."""
    assert read(section(name, SESSION)).sections() == [name]


@pytest.mark.parametrize(
    "value", ["hush x", "hush\nregion = x", "hush#", "'hush'", '"hush"', "hush;", "hush\xe4", "hush\0"]
)
def test_a_value_that_readers_differ_on_is_refused(value: str) -> None:
    """A value that readers parse differently is refused; the error names the key without the value."""
    with pytest.raises(ValueUnusable, match="aws_secret_access_key") as caught:
        section("target", {**SESSION, "AWS_SECRET_ACCESS_KEY": Secret(value)})
    assert "hush" not in f"{caught.value.message}{caught.value.why}{caught.value.hint}"
