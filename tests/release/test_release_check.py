"""A release is built from a commit, and its tag is the version."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from dsops.version import __version__
from release import build, check, repository
from release.errors import ReleaseError, exit_code_of
from release.long_description import absolute
from tests.installed import OUTSIDE


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A repository with one commit, of version 1.2.3."""
    root = tmp_path / "clone"
    (root / "src" / "dsops").mkdir(parents=True)
    (root / "src" / "dsops" / "version.py").write_text('__version__ = "1.2.3"\n', encoding="utf-8")
    (root / ".gitignore").write_text("ignored\n", encoding="utf-8")
    (root / "pyproject.toml").write_text(
        '[project]\nurls.Repository = "https://git.example/org/dsops"\n', encoding="utf-8"
    )
    git(root, "init", "--quiet")
    git(root, "add", ".")
    git(root, "-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "--quiet", "--message", "first")
    return root


def git(root: Path, *words: str) -> None:
    """Run git in the repository."""
    subprocess.run(["git", *words], cwd=root, env=dict(OUTSIDE), check=True, timeout=60)


def test_the_version_has_one_source() -> None:
    """The version that a release checks is the one that dsops prints, and pyproject.toml has no other."""
    assert repository.version() == __version__
    assert "\nversion =" not in (repository.ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_a_tag_is_the_version(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The tag of version 1.2.3 is `v1.2.3`."""
    check.check("v1.2.3", clone)
    assert "v1.2.3 is the version" in capsys.readouterr().out


@pytest.mark.parametrize("tag", ["1.2.3", "v1.2.4", "v1.2.3.dev1", "v1.2.30", "", "v1.2.3\n"])
def test_another_tag_is_refused(clone: Path, tag: str) -> None:
    """If the tag is not the version, the error names the file that contains the version."""
    with pytest.raises(ReleaseError, match=r"is not v1\.2\.3, the version in src/dsops/version\.py"):
        check.check(tag, clone)


def test_the_address_is_the_repositorys(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a workflow, the address in pyproject.toml has to be that of the workflow's repository."""
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://git.example")
    monkeypatch.setenv("GITHUB_REPOSITORY", "org/dsops")
    check.check("v1.2.3", clone)

    monkeypatch.setenv("GITHUB_REPOSITORY", "fork/dsops")
    with pytest.raises(ReleaseError, match=r"example/org/dsops as the address .*, not https://git\.example/fork/dsops"):
        check.check("v1.2.3", clone)


def test_the_address_has_one_source() -> None:
    """The owner of the repository stands in one line of pyproject.toml, so that one change names another owner."""
    lines = repository.git(repository.ROOT, "grep", "-Fn", repository.address().partition("://")[2]).splitlines()
    assert [line.split(":")[0] for line in lines] == ["pyproject.toml"]


def test_a_link_to_a_file_becomes_absolute() -> None:
    """A link leads to the page of the file at the tag, an image to its bytes; addresses and anchors stay."""
    text = "[the\nguide](docs/a.md#b), ![it](docs/i.png), [site](https://a.example/b), [here](#b), list[0](x y)"
    expected = (
        "[the\nguide](https://git.example/o/r/blob/v1/docs/a.md#b), ![it](https://git.example/o/r/raw/v1/docs/i.png), "
        "[site](https://a.example/b), [here](#b), list[0](x y)"
    )
    assert expected == absolute(text, "https://git.example/o/r", "v1")


def test_a_version_that_cannot_be_read_is_an_error(clone: Path) -> None:
    """If a file lacks the line with the version, the error names the file."""
    (clone / "src" / "dsops" / "version.py").write_text("__version__ = VERSION\n", encoding="utf-8")
    with pytest.raises(ReleaseError, match=r"version\.py has no line like"):
        repository.version(clone)


@pytest.mark.parametrize("name", ["new", "src/dsops/version.py"])
def test_a_dirty_tree_is_refused(clone: Path, tmp_path: Path, name: str) -> None:
    """If a file differs from the commit, the build and the check of a tag fail with a hint."""
    with (clone / name).open("a", encoding="utf-8") as file:
        file.write("# a change\n")
    with pytest.raises(ReleaseError, match=r"1 files differ from the commit .*: make dist ARGS=--allow-dirty"):
        repository.export(tmp_path / "out", allow_dirty=False, root=clone)
    with pytest.raises(ReleaseError, match="differ from the commit"):
        check.check("v1.2.3", clone)


def test_a_dirty_tree_is_built_if_asked(clone: Path, tmp_path: Path) -> None:
    """If a dirty tree is allowed, the build uses the files as they are, without ignored and removed files."""
    (clone / "new").touch()
    (clone / "ignored").touch()
    (clone / ".gitignore").write_text("ignored\n# changed\n", encoding="utf-8")
    (clone / "src" / "dsops" / "version.py").unlink()
    repository.export(tmp_path / "out", allow_dirty=True, root=clone)
    files = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert files == {"new", ".gitignore", "pyproject.toml"}
    assert "changed" in (tmp_path / "out" / ".gitignore").read_text(encoding="utf-8")


def test_what_is_not_a_repository_is_an_error(tmp_path: Path) -> None:
    """Building from a folder that is not a git repository, such as an unpacked sdist, is an error."""
    with pytest.raises(ReleaseError, match="git status --porcelain failed"):
        repository.export(tmp_path / "out", allow_dirty=False, root=tmp_path)


def test_an_error_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """If a release command fails, it prints the error on one line and exits with code 1."""

    def work() -> None:
        raise ReleaseError("no")

    assert exit_code_of(work) == 1
    assert capsys.readouterr().err == "error: no\n"


def test_the_sums_are_of_every_file(tmp_path: Path) -> None:
    """SHA256SUMS lists every file except itself, sorted, in the format of sha256sum."""
    (tmp_path / "b").write_bytes(b"")
    (tmp_path / "a").write_bytes(b"x")
    build.write_sums(tmp_path)
    build.write_sums(tmp_path)
    first, second = (tmp_path / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    assert first == "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881  a"
    assert second.endswith("  b")
