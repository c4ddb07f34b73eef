"""The sites of all versions in one folder: which folder is which, and where a reader begins."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from website.publish import folder_of, publish, publish_all, releases


def site(folder: Path, text: str) -> Path:
    """A built site with this text."""
    made = folder / f"built-{text}"
    made.mkdir(parents=True)
    for name in ("index.html", "404.html"):
        (made / name).write_text(f"{name} {text}", encoding="utf-8")
    return made


@pytest.mark.parametrize(
    ("version", "folder"), [("1.2.3", "1.2"), ("v1.2.3", "1.2"), ("1.2", "1.2"), ("dev", "dev"), ("1.2rc1", "1.2rc1")]
)
def test_patches_of_a_release_share_a_folder(version: str, folder: str) -> None:
    """A patch release replaces the site of its minor version."""
    assert folder_of(version) == folder


def test_the_newest_release_is_latest(tmp_path: Path) -> None:
    """`latest` is the highest release, in whatever order the sites are published; older sites stay."""
    pages = tmp_path / "pages"
    for version in ("1.9.0", "1.10.0", "dev", "1.9.1"):
        publish(site(tmp_path / version, version), pages, version)
    assert (pages / "latest" / "index.html").read_text() == "index.html 1.10.0"
    assert (pages / "1.9" / "index.html").read_text() == "index.html 1.9.1"
    assert (pages / "404.html").read_text() == "404.html 1.10.0"
    assert 'url=latest/"' in (pages / "index.html").read_text()
    assert json.loads((pages / "versions.json").read_text()) == [
        {"version": "1.10", "title": "1.10", "aliases": ["latest"]},
        {"version": "1.9", "title": "1.9", "aliases": []},
        {"version": "dev", "title": "dev", "aliases": []},
    ]


def test_without_a_release_the_reader_begins_at_dev(tmp_path: Path) -> None:
    """Before the first release, only the main branch has a site, `dev`, which is not marked as outdated."""
    publish(site(tmp_path, "dev"), tmp_path / "pages", "dev")
    assert not (tmp_path / "pages" / "latest").exists()
    versions = json.loads((tmp_path / "pages" / "versions.json").read_text())
    assert versions == [{"version": "dev", "title": "dev", "aliases": ["latest"]}]
    assert 'url=dev/"' in (tmp_path / "pages" / "index.html").read_text()


def test_a_page_that_is_gone_is_gone(tmp_path: Path) -> None:
    """A new build replaces the folder of its version, so pages that no longer exist are removed."""
    first = site(tmp_path / "a", "1")
    (first / "old.html").write_text("x")
    publish(first, tmp_path / "pages", "1.0.0")
    publish(site(tmp_path / "b", "2"), tmp_path / "pages", "1.0.1")
    assert not (tmp_path / "pages" / "1.0" / "old.html").exists()
    assert not (tmp_path / "pages" / "latest" / "old.html").exists()


MAKEFILE = """\
site:
\t@mkdir -p build/site
\t@echo "$(VERSION) at $(URL)" | tee build/site/404.html > build/site/index.html
"""


def repository(folder: Path) -> Path:
    """A repository with releases, whose oldest one can build no site."""

    def git(*arguments: str) -> None:
        name = ("-c", "user.name=a", "-c", "user.email=a@example.com")
        subprocess.run(["git", *name, *arguments], cwd=folder, check=True, capture_output=True, timeout=60)

    (folder / "Makefile").write_text(MAKEFILE)
    (folder / "website").mkdir()
    git("init", "-q")
    git("add", "Makefile")
    git("commit", "-qm", "one")
    git("tag", "v0.9.0")
    (folder / "website" / "__main__.py").touch()
    git("add", "website")
    git("commit", "-qm", "two")
    for tag in ("v1.9.0", "v1.10.0", "v1.10.1", "a-tag-of-another-kind"):
        git("tag", tag)
    return folder


def test_each_minor_release_has_a_site(tmp_path: Path) -> None:
    """The working tree's site is `dev`; each minor release's site is built from its newest tag in a separate tree."""
    (tmp_path / "root").mkdir()
    root, pages = repository(tmp_path / "root"), tmp_path / "pages"
    publish_all(root, pages, "https://example.com/dsops/")
    assert releases(root) == ["v1.10.1", "v1.9.0"]
    shown = {page.parent.name: page.read_text().strip() for page in pages.glob("*/index.html")}
    assert shown == {
        "dev": "dev at https://example.com/dsops/dev/",
        "1.9": "1.9.0 at https://example.com/dsops/1.9/",
        "1.10": "1.10.1 at https://example.com/dsops/1.10/",
        "latest": "1.10.1 at https://example.com/dsops/1.10/",
    }
    command = ["git", "worktree", "list"]
    trees = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True, timeout=60).stdout
    assert len(trees.splitlines()) == 1
