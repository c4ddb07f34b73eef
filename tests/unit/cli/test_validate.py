"""`validate` reports all mistakes in one run."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from dsops.cli import main
from tests.groups import IS_NIGHTLY
from tests.mistakes import Content, Mistake, configurations, mistakes_in

CONFIGURATIONS = configurations()
ROUNDS = 6 if IS_NIGHTLY else 2
"""The number of rounds of random combinations for each example."""


class Validated:
    """Calls `validate` on a configuration in the test's folder."""

    def __init__(self, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capfd = capfd

    def __call__(self, content: Content, *arguments: str) -> set[tuple[str, str]]:
        """Validate the content; return path and message of each problem, after a check of the exit code."""
        path = self.folder / "dsops.yaml"
        path.write_text(json.dumps(content, indent=1), encoding="utf-8")
        code = main(["validate", "--config", str(path), "--json", *arguments])
        answer = json.loads(self._capfd.readouterr().out)
        assert answer["is_valid"] == (code == 0) == (not answer["problems"])
        return {(one["path"], one["message"]) for one in answer["problems"]}


@pytest.fixture
def validated(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Validated:
    """A function that validates a configuration and returns its problems."""
    return Validated(tmp_path, capfd)


def chosen(mistakes: list[Mistake], count: int, choice: random.Random) -> list[Mistake]:
    """Choose that many mistakes, each at another location and of another kind."""
    found: dict[object, Mistake] = {}
    for mistake in choice.sample(mistakes, len(mistakes)):
        if len(found) == count:
            break
        if mistake.name not in {one.name for one in found.values()}:
            found.setdefault(mistake.place, mistake)
    return list(found.values())


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_each_mistake_alone_is_told(validated: Validated, name: str) -> None:
    """Each known mistake is reported, and the example without the mistake is valid."""
    content = CONFIGURATIONS[name]
    assert validated(content) == set()
    assert [one.name for one in mistakes_in(content) if not validated(one.made(content))] == []


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_mistakes_made_at_once_are_all_told_at_once(validated: Validated, name: str) -> None:
    """Two to six mistakes in one file are all reported, each with the message that it has alone."""
    content, choice = CONFIGURATIONS[name], random.Random(name)  # noqa: S311 - the same choices in each run
    mistakes = mistakes_in(content)
    for _ in range(ROUNDS):
        together = chosen(mistakes, choice.randint(2, 6), choice)
        broken, told = content, set[tuple[str, str]]()
        for mistake in together:
            told |= validated(mistake.made(content))
            broken = mistake.made(broken)
        assert told - validated(broken) == set(), [(one.name, one.place) for one in together]


def test_an_unknown_type_is_a_problem_whether_it_is_needed_or_not(validated: Validated) -> None:
    """An unknown store type is a problem with a suggestion, even if nothing uses the store."""
    stores = {"s": {"type": "aws.secretmanager", "timeout_ms": 0}, "v": {"type": "vault"}, "e": {"type": "env"}}
    content: Content = {"secretStores": stores, "envs": {"p": {"A": {"from": "s:k"}}, "q": {"B": {"literal": "x"}}}}
    told = validated(content)
    assert {message for path, message in told if path.endswith("type")} == {
        "no installed package provides the store type `aws.secretmanager`",
        "no installed package provides the store type `vault`",
    }
    assert {path for path, _ in told} == {"secretStores.s.type", "secretStores.v.type", "secretStores.s.timeout_ms"}
    config = str(validated.folder / "dsops.yaml")
    assert main(["plan", "--config", config, "--env", "q"]) == 0
    assert main(["plan", "--config", config, "--env", "p"]) == 2


def test_what_a_plan_tells_comes_with_the_rest(validated: Validated, monkeypatch: pytest.MonkeyPatch) -> None:
    """Problems found by planning are reported: conflicts, unset variables, limits, types, unknown `extends`."""
    monkeypatch.delenv("ROLE", raising=False)
    role = "arn:aws:iam::123456789012:role/App"
    stores: Content = {
        "a": {"type": "aws.sts", "role_arn": "${ROLE}", "region": "us-east-1", "profile": "p", "credentials_from": "b"},
        "b": {"type": "aws.sts", "role_arn": role, "duration_seconds": 99999, "extends": "gone"},
        "c": {"type": "aws.secretsmanager", "credentials_from": "b", "region": ["us-east-1"]},
        "d": {"type": "aws.sts", "role_arn": role, "region": "cn-north-1"},
    }
    names = {"A": "a:access_key_id", "B": "b:access_key_id", "C": "c:k", "D": "d:access_key_id"}
    content: Content = {"secretStores": stores, "envs": {"p": {key: {"from": text} for key, text in names.items()}}}
    told = validated(content, "--env", "p")
    assert sorted(path for path, _ in told) == [
        "secretStores.a.profile",
        "secretStores.b.duration_seconds",
        "secretStores.b.extends",
        "secretStores.c.region",
        "secretStores.d.role_arn",
    ]


def test_an_unknown_environment_is_reported_with_the_rest(validated: Validated) -> None:
    """An unknown `--env` is reported with the file's problems; if the file has none, it is a usage error."""
    content: Content = {"version": 2, "envs": {"p": {"A": {"literal": "x"}}}}
    assert {path for path, _ in validated(content, "--env", "nowhere")} == {"version", "--env"}
    path = validated.folder / "dsops.yaml"
    path.write_text(json.dumps({**content, "version": 1}), encoding="utf-8")
    assert main(["validate", "--config", str(path), "--env", "nowhere"]) == 2
