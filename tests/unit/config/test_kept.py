"""A configuration whose files have not changed is parsed once; every change of a file is seen at the next load."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from dsops import config as configuration
from dsops.agent.parsed_files import ParsedFiles
from dsops.config.allow import disallow
from dsops.document import Document, parse_yaml
from dsops.errors import ConfigError, DsopsError, NotAllowed
from dsops.model import Config
from dsops.pipeline.configuration import read_config
from tests.fakes import make_runtime
from tests.permission import allow_found

MAIN = """\
version: 1
include: [common.yaml]
secretStores:
  one: {type: aws.sts, region: us-east-1, role_arn: "arn:aws:iam::111122223333:role/One", role_session_name: test}
  secrets: {type: aws.secretsmanager, region: us-east-1, credentials_from: two}
envs:
  production: {TOKEN: {from: {store: secrets, key: prod/token}}, LEVEL: {literal: info}}
"""
COMMON = """\
version: 1
secretStores:
  two: {type: aws.sts, region: us-east-1, role_arn: "arn:aws:iam::111122223333:role/Two", role_session_name: test}
"""
LOCAL = "version: 1\nenvs: {production: {LEVEL: {literal: trace}}}\n"
OWN = "version: 1\nenvs: {mine: {LEVEL: {literal: mine}}}\n"
PROFILES = "[profile three]\nrole_arn = arn:aws:iam::111122223333:role/Three\nsource_profile = base\n[profile base]\n"
FILES = {
    "project/dsops.yaml": MAIN,
    "project/common.yaml": COMMON,
    "project/dsops.local.yaml": LOCAL,
    ".config/dsops/dsops.yaml": OWN,
    ".aws/config": PROFILES,
}


class Home:
    """A user's home folder with a project, the user's own file and profiles."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environ = {"HOME": str(folder)}
        self.kept = ParsedFiles()
        for name, text in FILES.items():
            self.write(name, text)

    def write(self, name: str, text: str) -> None:
        """Write a file with a constant modification time, as an attacker can."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o600)
        os.utime(path, ns=(0, 0))

    def allow(self) -> None:
        """Allow the project's files."""
        allow_found(self.folder / "project", self.environ)

    def load(self, *names: str, is_kept: bool = True, below: str = "project") -> Config:
        """Load the configuration as the agent does, or without what is kept."""
        runtime = make_runtime(self.environ, folder=str(self.folder / below))
        return read_config(runtime._replace(kept=self.kept if is_kept else None), "", names=names)

    def outcome(self, *names: str, is_kept: bool) -> str:
        """The configuration or the error, as text."""
        try:
            return repr(self.load(*names, is_kept=is_kept))
        except DsopsError as error:
            return f"{error!r} {error.problems}"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home folder, whose project the user has allowed."""
    made = Home(tmp_path)
    made.allow()
    return made


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that are parsed, in order."""
    names: list[str] = []

    def parse(text: str, shown: str) -> Document:
        names.append(shown)
        return parse_yaml(text, shown)

    monkeypatch.setattr("dsops.config.files.parse_yaml", parse)
    return names


@pytest.mark.parametrize("names", [(), ("one",), ("three",), ("three", "one")], ids=str)
def test_unchanged_files_are_parsed_once(home: Home, parsed: list[str], names: tuple[str, ...]) -> None:
    """The second load parses no file, and returns the same configuration as a load without the cache."""
    first = home.load(*names)
    assert len(parsed) == 4
    parsed.clear()

    second = home.load(*names)

    assert parsed == []
    assert repr(second) == repr(first) == repr(home.load(*names, is_kept=False))
    assert second.is_allowed


@pytest.mark.parametrize("name", FILES)
def test_a_change_of_the_same_size_and_time_is_seen(home: Home, name: str) -> None:
    """Only the content decides: a file of the same size, time and inode with another content is parsed again."""
    before = home.load("three")
    old, new = {".aws/config": ("Three", "Third")}.get(name, ("version: 1", "version:  1"))
    old, new = {"project/dsops.yaml": ("One", "Uno"), "project/common.yaml": ("Two", "Duo")}.get(name, (old, new))
    old, new = {"project/dsops.local.yaml": ("trace", "debug"), ".config/dsops/dsops.yaml": (": mine", ": less")}.get(
        name, (old, new)
    )
    home.write(name, FILES[name].replace(old, new))
    assert len(FILES[name].replace(old, new)) == len(FILES[name])
    home.allow()

    after = home.load("three")

    assert repr(after) == repr(home.load("three", is_kept=False))
    assert repr((after.stores, after.environments)) != repr((before.stores, before.environments))


def test_any_sequence_of_edits_gives_the_same_as_without_the_cache(home: Home) -> None:
    """After random edits, also wrong ones, the result with and without the cache is the same."""
    source = random.Random(7)  # noqa: S311 - not for secrets
    compared = 0
    for _ in range(60):
        for name, text in FILES.items():
            home.write(name, text)
        name = source.choice(list(FILES))
        text = FILES[name]
        position = source.randrange(len(text))
        changed = f"{text[:position]}{source.choice('xyz# {')}{text[position + 1 :]}"
        home.write(name, source.choice((text, f"{text}# {position}", changed, changed, text[:position])))
        names = source.choice([(), ("one",), ("three",), ("four",)])
        home.allow()
        outcome = home.outcome(*names, is_kept=True)
        if not outcome.startswith("NotAllowed"):  # a broken file can't be allowed: the agent leaves it to the client
            assert outcome == home.outcome(*names, is_kept=False)
            compared += 1
    assert compared > 20


def test_a_permission_is_never_kept(home: Home, parsed: list[str]) -> None:
    """After `dsops allow --revoke`, the kept configuration is not allowed any more."""
    assert home.load().is_allowed
    disallow(str(home.folder / "project" / "dsops.yaml"), home.environ)
    parsed.clear()

    assert not home.load().is_allowed
    assert parsed == []


@pytest.mark.parametrize("name", ["project/dsops.yaml", "project/common.yaml", "project/dsops.local.yaml"])
def test_a_file_without_permission_is_not_parsed(home: Home, parsed: list[str], name: str) -> None:
    """With `kept`, as in the agent, changed files are parsed only after the user has allowed them."""
    home.load()
    parsed.clear()
    home.write(name, f"{FILES[name]}# more\n")

    with pytest.raises(NotAllowed):
        home.load()
    assert parsed == []
    home.allow()
    parsed.clear()
    assert repr(home.load()) == repr(home.load(is_kept=False))


def test_names_of_files_are_those_of_each_folder(home: Home) -> None:
    """Errors name a file relative to the client's folder, also if the file was parsed for a client elsewhere."""
    (home.folder / "project" / "below").mkdir()
    first = home.load()
    second = home.load(below="project/below")

    assert [file.shown for file in second.files] != [file.shown for file in first.files]
    assert repr(second) == repr(home.load(below="project/below", is_kept=False))


def test_problems_are_not_kept(home: Home, parsed: list[str]) -> None:
    """A configuration with a problem is parsed at each load, and raises the same error."""
    home.load()
    wrong = MAIN.replace("credentials_from: two", "credentials_from: too")
    home.write("project/dsops.yaml", wrong)
    options = {"folder": str(home.folder / "project"), "environ": home.environ, "named": "dsops.yaml"}
    errors = []
    for _ in range(2):
        parsed.clear()
        with pytest.raises(ConfigError) as raised:
            configuration.load(**options, kept=home.kept)  # type: ignore[arg-type]
        errors.append(str(raised.value.problems))
        assert parsed
    assert errors[0] == errors[1]
