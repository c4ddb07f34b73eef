"""The changelog: every file of changes/ becomes an entry of CHANGELOG.md, and its links lead somewhere."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOWNCRIER = Path(sys.executable).parent / "towncrier"
FRAGMENTS = sorted(path for path in (ROOT / "changes").glob("*.md") if path.name != "README.md")

pytestmark = [
    pytest.mark.clients,
    pytest.mark.skipif(not TOWNCRIER.exists(), reason="`make changelog` installs towncrier"),
]


def repository(folder: Path) -> Path:
    """Copy what towncrier reads into the folder, and return the folder."""
    shutil.copytree(ROOT / "changes", folder / "changes")
    for name in ("pyproject.toml", "CHANGELOG.md"):
        shutil.copy(ROOT / name, folder)
    return folder


def build(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run towncrier's build of the version 9.8.7 in the folder."""
    return subprocess.run(
        [str(TOWNCRIER), "build", "--version", "9.8.7", "--date", "2026-11-28", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_every_change_is_an_entry(tmp_path: Path) -> None:
    """The section of a release has the whole text of every file, and the kinds in a fixed order."""
    section = build(repository(tmp_path), "--draft").stdout
    lines = {re.sub(r"^(- )?\s*", "", line) for line in section.splitlines()}
    missing = [
        (path.name, line)
        for path in FRAGMENTS
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.sub(r"^(- )?\s*", "", line) not in lines
    ]
    assert missing == []
    kinds = {path.name.split(".")[1].capitalize() for path in FRAGMENTS}
    assert re.findall(r"^### (.*)$", section, re.MULTILINE) == sorted(kinds)


def test_the_links_of_changes_lead_to_files() -> None:
    """Each link of an entry leads to a file, seen from CHANGELOG.md at the root of the repository."""
    links = [
        (path.name, link)
        for path in FRAGMENTS
        for link in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text(encoding="utf-8"))
    ]
    assert [one for one in links if not one[1].startswith("https://") and not (ROOT / one[1]).exists()] == []


def test_a_release_moves_the_changes_to_the_changelog(tmp_path: Path) -> None:
    """A release writes its section above the older ones and removes the files of changes/, except the README."""
    folder = repository(tmp_path)
    subprocess.run(["git", "init", "--quiet", str(folder)], check=True, timeout=60)
    changelog = folder / "CHANGELOG.md"
    changelog.write_text(f"{changelog.read_text(encoding='utf-8')}\n## 9.8.6 (2026-10-01)\n", encoding="utf-8")
    done = build(folder, "--yes")
    assert done.returncode == 0, done.stderr
    assert re.findall(r"^## (\S+) \(", changelog.read_text(encoding="utf-8"), re.MULTILINE)[:2] == ["9.8.7", "9.8.6"]
    assert sorted(path.name for path in (folder / "changes").iterdir()) == ["README.md", "template.md.jinja"]


@pytest.mark.parametrize("name", ["agent.md", "agent.new.md"])
def test_a_file_without_a_kind_fails(tmp_path: Path, name: str) -> None:
    """A file of changes/ whose name has no kind, or an unknown kind, fails the build, so that no change is lost."""
    folder = repository(tmp_path)
    (folder / "changes" / name).write_text("A change.\n")
    done = build(folder, "--draft")
    assert done.returncode != 0
    assert name in done.stderr
