"""The user's audit settings: valid values, errors, and that no other source changes them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dsops.audit.settings import Settings, TrailLimits, load_settings, user_config_path
from dsops.errors import UserConfigInvalid


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A user's home folder."""
    return tmp_path


def write(home: Path, text: str | bytes) -> Path:
    """Write the user's configuration."""
    file = home / ".config" / "dsops" / "config.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    file.chmod(0o600)
    return file


def load(home: Path, **environ: str) -> Settings:
    """Return the settings for this home folder."""
    return load_settings({"HOME": str(home), **environ})


def refused(home: Path) -> UserConfigInvalid:
    """Return the error of this home folder's configuration."""
    with pytest.raises(UserConfigInvalid) as caught:
        load(home)
    return caught.value


def test_without_a_configuration_there_is_a_trail(home: Path) -> None:
    """Without a configuration the trail is on, in the state folder below HOME."""
    assert load(home) == Settings("on", f"{home}/.local/state/dsops/audit.jsonl", TrailLimits())


@pytest.mark.parametrize("text", ["", "# nothing\n", "audit: on\n", "audit: ON\n", "audit: {}\n", "null\n"])
def test_what_says_nothing_leaves_it_on(home: Path, text: str) -> None:
    """A configuration without audit settings leaves the trail on."""
    write(home, text)
    assert load(home).mode == "on"


@pytest.mark.parametrize(("text", "mode"), [("off", "off"), ("required", "required"), ("{mode: off}", "off")])
def test_it_is_switched(home: Path, text: str, mode: str) -> None:
    """`audit` is a mode or a mapping with a `mode`."""
    write(home, f"audit: {text}\n")
    assert load(home).mode == mode


def test_every_key_counts(home: Path) -> None:
    """The settings path, size, age, number and send_sandbox have an effect; an invalid switch is an error."""
    more = "max_days: 2, keep: 3, keep_days: 40, send_sandbox: on"
    write(home, f"audit: {{file: ~/a/../t.jsonl, max_bytes: 4096, {more}}}\n")
    assert load(home) == Settings("on", f"{home}/t.jsonl", TrailLimits(4096, 2, 3, 40), sends_sandbox=True)
    write(home, "audit: {send_sandbox: sometimes}\n")
    assert [problem.message for problem in refused(home).problems] == ["`sometimes` is none of on, off"]


def test_the_base_directories_count_where_they_are_absolute(home: Path) -> None:
    """XDG base directories are used if they are absolute (XDG specification).

    Without a home folder the settings have no path.
    """
    file = write(home, "audit: off\n")
    other = home / "other"
    assert load(home, XDG_CONFIG_HOME=str(other), XDG_STATE_HOME=str(other)) == Settings(
        "on", f"{other}/dsops/audit.jsonl", TrailLimits()
    )
    assert load(home, XDG_CONFIG_HOME="relative", XDG_STATE_HOME="relative").mode == "off"
    assert user_config_path({"HOME": str(home)}) == str(file)
    assert load_settings({}) == load_settings({"HOME": "relative"}) == Settings("on", "", TrailLimits())


@pytest.mark.parametrize("name", ["DSOPS_AUDIT", "DSOPS_AUDIT_MODE", "DSOPS_AUDIT_FILE", "AUDIT"])
def test_no_other_variable_counts(home: Path, name: str) -> None:
    """No other environment variable changes the settings, because a repository could set it (direnv)."""
    assert load(home, **{name: "off"}) == load(home)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("audit: of\n", 1, "`of` is none of on, off, required"),
        ("audit: [on]\n", 1, "`audit` is on, off, required, or a mapping"),
        ("\naudits: on\n", 2, "there is no key `audits`"),
        ("audit:\n  mod: off\n", 2, "there is no key `mod`"),
        ("audit: {max_bytes: -1}\n", 1, "`max_bytes` is a number from 4096 to 1099511627776"),
        ("audit: {keep: 0x10}\n", 1, "`keep` is a number from 1 to 10000"),
        ("audit: {keep: [1]}\n", 1, "`keep` is one value"),
        ("audit: {keep: 99999999999999999999999}\n", 1, "`keep` is a number from 1 to 10000"),
        ("audit: {file: audit.jsonl}\n", 1, "`file` is the path of a file, from `/` or `~/` on"),
        ("audit: {file: /tmp/}\n", 1, "`file` is the path of a file, from `/` or `~/` on"),
        ("- audit\n", 1, "the file is not a mapping of keys"),
    ],
)
def test_mistakes_are_told_with_their_line(home: Path, text: str, line: int, message: str) -> None:
    """A mistake is reported with its line; a misspelling has a suggestion."""
    file = write(home, text)
    [problem] = refused(home).problems
    assert (str(problem.where), problem.message) == (f"{file}:{line}", message)


def test_all_mistakes_are_told_at_once(home: Path) -> None:
    """All mistakes are reported at once, in the order of the file."""
    write(home, "audit:\n  mode: requird\n  keeps: 1\n")
    assert [problem.hint for problem in refused(home).problems] == ["did you mean `required`?", "did you mean `keep`?"]


@pytest.mark.parametrize("data", [b"audit: {", b"audit: on\naudit: off\n", b"\xff\xfe\x00", b"a: &a [*a]"])
def test_what_is_no_configuration_is_told(home: Path, data: bytes) -> None:
    """Broken YAML, a repeated key and invalid UTF-8 are errors."""
    write(home, data)
    assert refused(home).problems


def test_what_others_may_write_does_not_count(home: Path) -> None:
    """A configuration that others may write is refused, even behind a link; a link to an own file is accepted."""
    file = write(home, "audit: off\n")
    file.chmod(0o620)
    assert refused(home).why == "other users can write it"

    own, shared = home / "own.yaml", home / "shared.yaml"
    for target, mode in ((own, 0o644), (shared, 0o666)):
        target.write_text("audit: off\n")
        target.chmod(mode)
    file.unlink()
    file.symlink_to(own)
    assert load(home).mode == "off"
    file.unlink()
    file.symlink_to(shared)
    assert refused(home).why == "other users can write it"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_what_belongs_to_another_user_does_not_count(home: Path) -> None:
    """A configuration that another user owns is refused."""
    os.chown(write(home, "audit: off\n"), 65534, 65534)
    assert refused(home).why == "it belongs to another user"


def test_a_pipe_a_folder_and_a_large_file_do_not_count(home: Path) -> None:
    """A pipe, folder or file over 64 KiB as configuration is refused, without waiting for a writer of the pipe."""
    file = write(home, "x" * 70_000)
    assert refused(home).why == "it has more than 64 KiB"
    file.unlink()
    os.mkfifo(file, 0o600)
    assert refused(home).why == "it is not a regular file"
    file.unlink()
    file.mkdir()
    assert refused(home).why == "it is not a regular file"


@pytest.mark.parametrize(
    ("key", "section"), [("stores", "secretStores"), ("secretStores", "secretStores"), ("envs", "envs")]
)
def test_a_key_of_dsops_yaml_names_that_file(home: Path, key: str, section: str) -> None:
    """A key of dsops.yaml in the user's config.yaml is an error whose hint names the right file and section."""
    write(home, f"audit: off\n{key}: {{}}\n")
    [problem] = refused(home).problems
    assert problem.message == f"`{key}` is a key of dsops.yaml"
    assert problem.hint == (
        f"write it into ~/.config/dsops/dsops.yaml as `{section}:`; config.yaml is for audit and keyring"
    )
