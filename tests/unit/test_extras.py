"""Build the command that adds an extra to this dsops: its way of installation, and the source it came from."""

from __future__ import annotations

import json
import re
import shlex
import sys
from importlib.metadata import distribution
from pathlib import Path
from sysconfig import get_config_vars

import pytest

from dsops.extras import install_command, install_packages
from dsops.version import __version__

ROOT = Path(__file__).parents[2]
REQUIRES = distribution("dsops").requires


class Distribution:
    """A stub of a distribution with pip's direct_url.json and INSTALLER."""

    def __init__(self, direct_url: object, installer: str = "pip") -> None:
        self.requires = REQUIRES
        self._installer = installer
        self._text = direct_url if isinstance(direct_url, str | None) else json.dumps(direct_url)

    def read_text(self, name: str) -> str | None:
        """Return the content of a metadata file, or None."""
        if name == "INSTALLER":
            return f"{self._installer}\n"
        assert name == "direct_url.json"
        return self._text


def words_with(monkeypatch: pytest.MonkeyPatch, direct_url: object, extra: str = "sandbox") -> list[str]:
    """Return the words of the install command after `pip install`, as a shell splits them."""
    monkeypatch.setattr("importlib.metadata.distribution", lambda _name: Distribution(direct_url))
    words = shlex.split(install_command(extra))
    assert words[:4] == [sys.executable, "-m", "pip", "install"]
    return words[4:]


class Place:
    """An environment in which dsops is installed, with the files that its installer left there."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, prefix: Path) -> None:
        self.prefix = prefix / "dsops"
        self.prefix.mkdir()
        self.wheel = prefix / f"dsops-{__version__}-py3-none-any.whl"
        self.wheel.touch()
        self.url = {"url": self.wheel.as_uri(), "archive_info": {}}
        self._monkeypatch = monkeypatch
        monkeypatch.setattr("sys.prefix", str(self.prefix))

    def installed(self, installer: str, *, has_origin: bool = True, **files: str) -> None:
        """Let the installer have installed dsops, from the wheel or from an index, and have written the files."""
        for name, text in files.items():
            (self.prefix / name.replace("__", "-").replace("_dot_", ".")).write_text(text, encoding="utf-8")
        made = Distribution(self.url if has_origin else None, installer)
        self._monkeypatch.setattr("importlib.metadata.distribution", lambda _name: made)


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Place:
    """An environment that is not this one."""
    get_config_vars()  # It remembers what sys.prefix was at the first call.
    monkeypatch.setattr("os.access", lambda _path, _mode: True)
    return Place(monkeypatch, tmp_path)


OWN = ["python3", "-m", "venv", "~/.venvs/dsops", "&&", "~/.venvs/dsops/bin/python", "-m", "pip", "install"]


def test_a_tool_of_uv_is_installed_with_more(place: Place) -> None:
    """`uv tool install` removes packages that it does not name, so the command also names those already installed."""
    receipt = """[tool]
        requirements = [
            { name = "dsops", extras = ["audit"], path = "/x" },
            { name = "boto3", specifier = ">=1.40" },
        ]"""
    place.installed("uv", uv__receipt_dot_toml=receipt)
    start = ["uv", "tool", "install", "--with", "boto3>=1.40"]
    assert shlex.split(install_command("sandbox")) == [*start, f"{place.wheel}[audit,sandbox]"]
    assert shlex.split(install_packages("x")) == [*start, "--with", "x", f"{place.wheel}[audit]"]


@pytest.mark.parametrize("receipt", ["", "[", "tool = 1", "[tool]\nrequirements = [7]"])
def test_a_receipt_that_cannot_be_read_names_nothing(place: Place, receipt: str) -> None:
    """If uv's receipt file is damaged, the command names only the requested extra."""
    place.installed("uv", uv__receipt_dot_toml=receipt)
    assert shlex.split(install_command("sandbox")) == ["uv", "tool", "install", f"{place.wheel}[sandbox]"]


def test_a_tool_of_uv_from_an_index_gets_packages(place: Place) -> None:
    """If uv installed dsops from an index, the suggested command installs packages instead of `dsops[EXTRA]`."""
    place.installed("uv", has_origin=False, uv__receipt_dot_toml="")
    words = shlex.split(install_command("audit"))
    assert words == ["uv", "pip", "install", "--python", sys.executable, "duckdb>=2.0"]


def test_pipx_injects_packages(place: Place) -> None:
    """For an installation with pipx, the command adds packages to dsops's environment with `pipx inject`."""
    place.installed("pip", pipx_metadata_dot_json="{}")
    assert shlex.split(install_command("audit")) == ["pipx", "inject", "dsops", "duckdb>=2.0"]
    assert shlex.split(install_packages("boto3")) == ["pipx", "inject", "dsops", "boto3"]


def test_an_environment_of_uv_has_no_pip(place: Place) -> None:
    """An environment made by `uv venv` has no pip, so the command is `uv pip install`."""
    place.installed("uv")
    start = ["uv", "pip", "install", "--python", sys.executable]
    assert shlex.split(install_command("audit")) == [*start, f"{place.wheel}[audit]"]


@pytest.mark.parametrize("installer", ["pex", "deb", "rpm", "brew", "nix"])
def test_where_nothing_can_be_added_the_wheel_is_installed(place: Place, installer: str) -> None:
    """No package can be added to `dsops.pyz` or a system package, so the command installs the release's wheel."""
    place.installed(installer, has_origin=False)
    wheel = f"~/dsops-{__version__}-py3-none-any.whl"
    assert shlex.split(install_command("sandbox")) == [*OWN, f"{wheel}[sandbox]"]
    assert shlex.split(install_packages("boto3")) == [*OWN, wheel, "boto3"]
    assert "~/.venvs/dsops/bin" in install_command("sandbox").replace("'~", "")
    assert " ~/'dsops-" in install_command("sandbox")


def test_into_a_read_only_environment_nothing_is_installed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the user can't write to the Python environment, the command makes a virtual environment elsewhere."""
    place.installed("pip")
    monkeypatch.setattr("os.access", lambda _path, _mode: False)
    assert shlex.split(install_command("audit")) == [*OWN, f"{place.wheel}[audit]"]


def test_the_systems_python_is_left_to_its_package_manager(
    place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """If the system's Python has the mark of PEP 668, the command does not use its `pip install`."""
    place.installed("pip")
    monkeypatch.setattr("sys.base_prefix", sys.prefix)
    monkeypatch.setattr("sysconfig.get_path", lambda _name: str(tmp_path))
    assert shlex.split(install_command("audit"))[:4] == [sys.executable, "-m", "pip", "install"]
    (tmp_path / "EXTERNALLY-MANAGED").touch()
    assert shlex.split(install_command("audit")) == [*OWN, f"{place.wheel}[audit]"]


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
    """If the source of the installation is unknown, the suggested command lists the extra's packages, not dsops.

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
    assert shlex.quote("moto[glacier]") in install_packages("moto[glacier]")


def test_nowhere_else_is_dsops_installed_by_its_name() -> None:
    """No code and no page says `pip install dsops`, which could install another project of that name."""
    named = re.compile(r"pip\s+install\s+(?:-\S+\s+(?:\.\s+)?)*['\"]?dsops(?!\S*/|\[\w+\] @ )\b")
    texts = [ROOT / "README.md", ROOT / "action.yml", *(ROOT / "changes").glob("*.md")]
    for folder, pattern in (("src", "*.py"), ("docs", "*.md"), ("examples", "*"), ("ci", "*"), ("templates", "*")):
        texts += [path for path in (ROOT / folder).rglob(pattern) if path.is_file()]
    found = [str(path.relative_to(ROOT)) for path in texts if named.search(path.read_text("utf-8", "replace"))]
    assert found == []
