"""If a name is omitted or wrong, the error lists the existing names."""

from __future__ import annotations

from pathlib import Path

import pytest

from dsops.cli import main
from dsops.cli.framework.command import Command, Group
from dsops.cli.framework.commands import COMMANDS, load
from dsops.keyring import index
from tests.permission import allow_found

CONFIG = """\
secretStores:
  deploy: {type: aws.sts, role_arn: 'arn:aws:iam::123456789012:role/Deploy'}
  both: {type: env}
envs:
  production: {TOKEN: {from: 'both:k'}, OTHER: {literal: x}}
  both: {TOKEN: {literal: y}}
"""
LISTED = {
    "STORE": "deploy, both",
    "PATTERN": "deploy, both",
    "VARIABLE": "TOKEN, OTHER",
    "KEY": "ada, bob",
    "SHELL": "bash, zsh, fish",
}
"""For each operand, the existing names as the error's hint lists them."""

NOT_LISTED = {
    "mfa add SERIAL": "a device that is not there yet",
    "keys add NAME": "a key that is not there yet",
    "policy check FILE": "a file: a shell completes it",
    "policy replay FILE": "a file: a shell completes it",
    "sandbox save FILE": "a file that is not there yet",
    "access who-can ACTION": "an action of AWS: there are thousands",
    "access what-can PRINCIPAL": "a name from the facts, which are named after it",
    "access unused LOGS": "a file: a shell completes it",
    "access path FROM": "a name from the facts, which are named after it",
    "sandbox totp SERIAL": "a device of a sandbox, which is asked only by who says which",
}
"""Required operands whose errors list no names, and the reason."""


def commands() -> dict[str, Command]:
    """Every command by its full name, including subcommands."""
    found: dict[str, Command] = {}
    for name in COMMANDS:
        command = load(name)
        if isinstance(command, Group):
            found |= {f"{name} {member}": one for member, one in command.commands.items()}
        else:
            found[name] = command
    return found


REQUIRED = {
    f"{name} {command.operands[0].name}": name.split(" ")
    for name, command in commands().items()
    if command.operands and command.operands[0].is_required and COMMANDS[name.partition(" ")[0]].summary
}
WITH_STORE = [
    [*name.split(" "), flag.name]
    for name, command in commands().items()
    for flag in command.flags
    if flag.value == "STORE"
]
WITH_ENVIRONMENT = [
    name.split(" ")
    for name, command in commands().items()
    for flag in command.flags
    if flag.name == "--env" and COMMANDS[name.partition(" ")[0]].summary
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder with a configuration, and a keyring list with two keys."""
    environ = {"XDG_DATA_HOME": str(tmp_path / "share"), "HOME": str(tmp_path)}
    (tmp_path / "share" / "dsops").mkdir(parents=True, mode=0o700)
    arn = "arn:aws:iam::123456789012:user/ada"
    keys = {name: index.KeysEntry(name, "AKIAIOSFODNN7EXAMPLE", arn, "2026-11-24T12:00:00Z") for name in ("ada", "bob")}
    index.write(environ, index.Contents({}, keys))
    (tmp_path / "dsops.yaml").write_text(CONFIG)
    allow_found(tmp_path, environ)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    monkeypatch.setenv("DSOPS_AGENT", "off")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def told(capfd: pytest.CaptureFixture[str], *words: str) -> str:
    """Run the wrong command line; return its stderr."""
    assert main(list(words)) in {2, 125, 127}
    return capfd.readouterr().err


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("name", [name for name in REQUIRED if name not in NOT_LISTED])
def test_without_its_name_a_command_lists_those_that_there_are(capfd: pytest.CaptureFixture[str], name: str) -> None:
    """An omitted store, variable, key or shell is an error that lists the existing ones."""
    operand = name.rpartition(" ")[2]
    assert LISTED[operand] in told(capfd, *REQUIRED[name])


def test_each_exception_belongs_to_a_command() -> None:
    """Every operand in NOT_LISTED belongs to an existing command."""
    assert set(NOT_LISTED) <= set(REQUIRED)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("words", WITH_STORE, ids=" ".join)
def test_a_flag_without_its_store_lists_them(capfd: pytest.CaptureFixture[str], words: list[str]) -> None:
    """A store flag without a value is an error that lists the stores."""
    assert "there are deploy, both" in told(capfd, *words)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("words", WITH_ENVIRONMENT, ids=" ".join)
def test_env_without_its_name_lists_the_environments(capfd: pytest.CaptureFixture[str], words: list[str]) -> None:
    """`--env` without a value is an error that lists the environments, for every command."""
    assert "there are production, both" in told(capfd, *words, "--env")


@pytest.mark.usefixtures("folder")
def test_a_flag_before_another_lists_them_too(capfd: pytest.CaptureFixture[str]) -> None:
    """`--env` directly before `--` is an error that lists the environments."""
    assert "there are production, both" in told(capfd, "exec", "--env", "--", "true")


@pytest.mark.usefixtures("folder")
def test_a_name_before_the_dashes_that_is_two_things_or_none(capfd: pytest.CaptureFixture[str]) -> None:
    """If NAME is both an environment and a store, the error shows both flags; for an unknown NAME, it lists names."""
    both = told(capfd, "exec", "both", "--", "true")
    assert "`both` is both an environment and a store" in both
    assert "`--env both`" in both
    assert "`--credentials both`" in both
    assert "there are production, both, deploy" in told(capfd, "exec", "nothing", "--", "true")
    assert "did you mean `deploy`?" in told(capfd, "exec", "deplo", "--", "true")
    two = told(capfd, "exec", "production", "--env", "both", "--", "true")
    assert "`production` and `both` are both environments" in two
    assert "`deploy` and `both` are both stores" in told(capfd, "exec", "deploy", "--credentials", "both", "--", "true")
    assert "a shell needs a terminal" in told(capfd, "exec", "deploy")
    assert "dsops exec deploy -- ls" in told(capfd, "exec", "deploy", "ls")


def test_without_a_configuration_there_is_no_store(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a dsops.yaml and a profile, the error names the missing argument, and how to get a store."""
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    text = told(capfd, "credentials")
    assert "STORE is missing" in text
    assert "there is none yet: neither a dsops.yaml nor a profile" in text
    assert "hint: `dsops init` writes a dsops.yaml" in text


@pytest.mark.parametrize("words", [["--version"], ["-V"], ["-v"], ["version"]])
def test_the_version_is_printed_however_it_is_asked_for(capfd: pytest.CaptureFixture[str], words: list[str]) -> None:
    """`--version` in any position prints the version on stdout with exit code 0."""
    assert main(words) == 0
    out, err = capfd.readouterr()
    assert (out.split(), err) == (["dsops", out.split()[1]], "")
    assert out.split()[1][0].isdigit()


@pytest.mark.usefixtures("folder")
def test_a_short_flag_before_a_command_is_still_its_own(capfd: pytest.CaptureFixture[str]) -> None:
    """`-v` before a command is --verbose."""
    assert main(["-v", "stores"]) == 0
    assert "deploy" in capfd.readouterr().out


def test_an_environment_with_the_name_of_a_profile_is_refused(
    capfd: pytest.CaptureFixture[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that an environment and a profile share is refused: it could run with the inherited AWS identity."""
    path = folder / "aws-config"
    path.write_text(
        "[profile production]\nrole_arn = arn:aws:iam::123456789012:role/P\ncredential_source = Environment\n"
        "[profile both]\nregion = us-east-1\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(path))
    refused = told(capfd, "exec", "production", "--", "true")
    assert "`production` is both an environment and a profile" in refused
    assert "`--credentials production` for the session of the profile" in refused
    # A profile without credentials is no store.
    path.write_text("[profile production]\nregion = us-east-1\n")
    assert "both" not in told(capfd, "exec", "production", "--", "no-such-program")
