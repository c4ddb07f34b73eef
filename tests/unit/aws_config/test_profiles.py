"""Read AWS's config and credentials files as botocore does, with line numbers but without the values of keys."""

from __future__ import annotations

from pathlib import Path

import pytest
from botocore.configloader import load_config
from botocore.exceptions import ConfigParseError

from dsops.aws_config.profiles import Profiles, SourceText, read_profiles
from dsops.errors import ConfigUnreadable, Where


def read(config: str, credentials: str = "") -> Profiles:
    """Return the profiles in the two texts."""
    return read_profiles(SourceText(text=config, shown="config"), SourceText(text=credentials, shown="credentials"))


SHAPES = {
    "plain": "[profile a]\nrole_arn = x\nregion=y\n",
    "default": "[default]\nregion = eu-west-1\n",
    "default as a profile": "[profile default]\nregion = eu-west-1\n",
    "twice under two names": "[profile default]\nregion = a\noutput = json\n[default]\nregion = b\n",
    "windows": "[profile a]\r\nrole_arn = x\r\nregion = y\r\n",
    "quoted": "[profile \"my prod\"]\nrole_arn = x\n[profile 'other one']\nrole_arn = y\n",
    "tab after profile": "[profile\ta]\nrole_arn = x\n",
    "odd quotes": '[profile a"b]\nrole_arn = x\n',
    "a longer first word": "[profiles a]\nrole_arn = x\n[sso-sessions s]\nsso_region = x\n",
    "three words": "[profile a b]\nrole_arn = x\n",
    "colon": "[profile a]\nrole_arn: x:y\n",
    "comments": "# one\n; two\n[profile a]\n# three\nrole_arn = x # four\n",
    "indented": "[profile a]\n  role_arn = x\n  region = y\n",
    "nested": "[profile a]\ns3 =\n  max_concurrent_requests = 20\n  addressing_style = path\nregion = y\n",
    "upper case": "[profile A]\nRole_ARN = x\n",
    "empty": "[profile a]\nrole_arn =\n",
    "no profile": "[foo]\nrole_arn = x\n[plugins]\ncli_legacy_plugin_path = x\n",
    "percent": "[profile a]\ncredential_process = x %(y)s %%\n",
    "others": "[sso-session s]\nsso_region = x\n[services l]\nsts =\n  endpoint_url = y\n[profile a]\nregion = s\n",
    "python's default": "[DEFAULT]\nregion = x\n[profile a]\noutput = json\n",
}


@pytest.mark.parametrize("text", SHAPES.values(), ids=SHAPES.keys())
def test_profiles_are_botocores(text: str, tmp_path: Path) -> None:
    """Names, keys and values equal those that botocore reads from the same files, even unusual ones."""
    path = tmp_path / "config"
    path.write_bytes(text.encode())
    theirs = load_config(str(path))
    ours = read(text)

    expected = {
        name: {key: value for key, value in values.items() if not isinstance(value, dict)}
        for name, values in theirs["profiles"].items()
    }
    found = {
        name: {key: entry.text for key, entry in profile.entries.items() if not entry.is_nested}
        for name, profile in ours.by_name.items()
    }
    assert expected == found
    assert set(theirs.get("sso_sessions", {})) == ours.sso_sessions


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("role_arn = hush\n[profile a]\n", 1),
        ("[profile a]\nregion = x\nhush\n", 3),
        ("[profile a]\nregion = x\nregion = hush\n", 3),
        ("[profile a]\n[profile b]\n[profile a]\n", 3),
    ],
)
def test_an_unreadable_file_is_an_error_with_its_line(text: str, line: int, tmp_path: Path) -> None:
    """The error for an unreadable file has the line number, but not the line's text, which may be a key."""
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(ConfigParseError):
        load_config(str(path))
    with pytest.raises(ConfigUnreadable) as caught:
        read(text)

    assert Where("config", line) == caught.value.where
    assert "hush" not in f"{caught.value.message} {caught.value.why} {caught.value.hint}"
    assert caught.value.__cause__ is None


def test_each_key_has_its_line() -> None:
    """Each setting has its line number in its own file."""
    parsed = read("\n[profile a]\n\nrole_arn = x\n", "[a]\nsource_profile = b\n").by_name["a"]

    assert Where("config", 2, is_profile=True) == parsed.where
    lines = [Where("config", 4, is_profile=True), Where("credentials", 2, is_profile=True)]
    assert lines == [entry.where for entry in parsed.entries.values()]


def test_the_credentials_file_counts_where_both_say_something() -> None:
    """If both files have a setting, the credentials file takes precedence, as in botocore.

    A profile can be in the credentials file alone.
    """
    parsed = read("[profile a]\nregion = x\noutput = json\n", "[a]\nregion = y\n[b]\nregion = z\n").by_name

    assert ("y", "json", "z") == (parsed["a"].text("region"), parsed["a"].text("output"), parsed["b"].text("region"))


def test_the_value_of_a_key_is_dropped() -> None:
    """The reader records only whether a profile has keys, and drops the keys' values."""
    parsed = read("", "[a]\naws_access_key_id = AKIAHUSH\naws_secret_access_key = hush\naws_session_token = hush\n")

    assert parsed.by_name["a"].has_keys
    assert "hush" not in repr(parsed).lower()


@pytest.mark.parametrize(("text", "has_keys"), [("aws_access_key_id = x", True), ("region = x", False)])
def test_half_a_key_counts_as_a_key(text: str, *, has_keys: bool) -> None:
    """A profile with half a key pair is treated as a profile with keys.

    botocore fails on such a profile instead of looking elsewhere.
    """
    assert has_keys == read("", f"[a]\n{text}\n").by_name["a"].has_keys


def test_sections_that_are_not_profiles_give_a_note() -> None:
    """A section `[foo]` (a common mistake for `[profile foo]`) causes a note; `[services x]` does not."""
    (note,) = read("[foo]\nregion = x\n[services x]\n[sso-session y]\n[plugins]\n").notes

    assert "`[profile foo]`" in note
    assert "config:1" in note


@pytest.mark.parametrize(
    ("header", "meant", "name"),
    [("foo", "profile foo", "foo"), ("profile a b", "profile 'a b'", "a b"), ('profile a"b', "profile 'a\"b'", 'a"b')],
)
def test_the_header_in_a_note_works(header: str, meant: str, name: str) -> None:
    """The section header that the note suggests defines the intended profile."""
    (note,) = read(f"[{header}]\nregion = x\n").notes
    assert note.endswith(f"that is `[{meant}]`")
    assert list(read(f"[{meant}]\nregion = x\n").by_name) == [name]


@pytest.mark.parametrize(
    ("more", "expected"), [("", False), ("aws_session_token = t\n", True), ("role_arn = r\n", None)]
)
def test_the_keys_of_a_profile_are_a_session_or_not(more: str, expected: bool | None) -> None:  # noqa: FBT001
    """A profile's keys with a token are a session; for a profile with a role or without keys, this is unknown."""
    keys = f"[a]\naws_access_key_id = AKIA\naws_secret_access_key = s\n{more}[b]\nregion = us-east-1\n"
    profiles = read_profiles(SourceText(text="", shown="c"), SourceText(text=keys, shown="k")).by_name
    assert profiles["a"].has_session is expected
    assert profiles["b"].has_session is None
