"""Build the command that installs an extra into this interpreter, from the source dsops was installed from."""

from __future__ import annotations

import json
import re
import shlex
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

from dsops.extras import install_command, pip_install

ROOT = Path(__file__).parents[2]
REQUIRES = distribution("dsops").requires


class Distribution:
    """A stub of a distribution with pip's direct_url.json."""

    def __init__(self, direct_url: object) -> None:
        self.requires = REQUIRES
        self._text = direct_url if isinstance(direct_url, str | None) else json.dumps(direct_url)

    def read_text(self, name: str) -> str | None:
        """Return the content of a metadata file, or None."""
        assert name == "direct_url.json"
        return self._text


def words_with(monkeypatch: pytest.MonkeyPatch, direct_url: object, extra: str = "sandbox") -> list[str]:
    """Return the words of the install command after `pip install`, as a shell splits them."""
    monkeypatch.setattr("importlib.metadata.distribution", lambda _name: Distribution(direct_url))
    words = shlex.split(install_command(extra))
    assert words[:4] == [sys.executable, "-m", "pip", "install"]
    return words[4:]


@pytest.mark.parametrize("name", ["clone", "a clone's folder", "café"])
def test_a_folder_is_installed_from_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    """If dsops was installed from a folder, the command installs the extra from that folder, editable as before."""
    folder = tmp_path / name
    folder.mkdir()
    url = {"url": folder.as_uri(), "dir_info": {}}
    assert words_with(monkeypatch, url) == [f"{folder}[sandbox]"]
    assert words_with(monkeypatch, {**url, "dir_info": {"editable": True}}) == ["-e", f"{folder}[sandbox]"]


def test_so_is_a_wheel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """If dsops was installed from a wheel, the command installs the extra from that wheel while the file exists."""
    wheel = tmp_path / "dsops-1-py3-none-any.whl"
    url = {"url": wheel.as_uri(), "archive_info": {}}
    wheel.touch()
    assert words_with(monkeypatch, url, "audit") == [f"{wheel}[audit]"]


def test_an_address_is_named_with_its_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    """If dsops was installed from a repository, the command names its URL and commit.

    If dsops was installed from a file's URL, the command names that URL.
    """
    url = {"url": "https://git.example/dsops.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}}
    assert words_with(monkeypatch, url) == ["dsops[sandbox] @ git+https://git.example/dsops.git@abc"]
    archive = {"url": "https://files.example/dsops.whl", "archive_info": {}}
    assert words_with(monkeypatch, archive) == ["dsops[sandbox] @ https://files.example/dsops.whl"]


@pytest.mark.parametrize("direct_url", [None, "{", [], {"url": 7}, {"url": "file:///gone/dsops", "dir_info": {}}])
@pytest.mark.parametrize(("extra", "package"), [("sandbox", "moto"), ("audit", "duckdb"), ("keyring", "keyring")])
def test_where_nothing_is_known_the_packages_are_named(
    monkeypatch: pytest.MonkeyPatch, direct_url: object, extra: str, package: str
) -> None:
    """If the origin is unknown, the command names the extra's packages but not dsops.

    A package index may have another project of that name.
    """
    words = words_with(monkeypatch, direct_url, extra)
    assert any(re.match(rf"{package}\b", word) for word in words)
    assert not any("dsops" in word or ";" in word for word in words)


def test_this_one_says_where_it_is() -> None:
    """For the real installation the command names its own origin."""
    assert "dsops" in install_command("policy") or str(ROOT) in install_command("policy")


def test_words_are_quoted() -> None:
    """Brackets in the command are quoted, because zsh treats them as patterns."""
    assert shlex.quote("moto[glacier]") in pip_install("moto[glacier]")


def test_nowhere_else_is_dsops_installed_by_its_name() -> None:
    """No code and no page says `pip install dsops`, which could install another project of that name."""
    named = re.compile(r"pip\s+install\s+(?:-\S+\s+(?:\.\s+)?)*['\"]?dsops(?!\S*/|\[\w+\] @ )\b")
    texts = [ROOT / "README.md", ROOT / "action.yml", *(ROOT / "changes").glob("*.md")]
    for folder, pattern in (("src", "*.py"), ("docs", "*.md"), ("examples", "*"), ("ci", "*"), ("templates", "*")):
        texts += [path for path in (ROOT / folder).rglob(pattern) if path.is_file()]
    found = [str(path.relative_to(ROOT)) for path in texts if named.search(path.read_text("utf-8", "replace"))]
    assert found == []
