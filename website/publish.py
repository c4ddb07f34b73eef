"""`python -m website.publish --url URL`: build the sites of all versions into build/pages, as a web server has them.

The folder has a folder for each version, `latest` with the newest release, the list `versions.json` for the version
selector, a page that leads to the newest one, and the page for a missing address. The versions are `dev`, the state of
the working tree, and the newest tag of each minor release that can build a site.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from website.sources import ROOT

RELEASE = re.compile(r"v?(\d+)\.(\d+)(?:\.\d+)?")
LATEST = "latest"
MOST_RELEASES = 6
"""Older releases have no site: each one takes a minute to build."""
_REDIRECT = """\
<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>dsops</title>
<meta http-equiv="refresh" content="0; url={folder}/"></head>
<body><p><a href="{folder}/">The documentation of dsops</a></p></body></html>
"""


def folder_of(version: str) -> str:
    """The folder of a version: `1.2.3` and `v1.2.4` -> `1.2`; another name such as `dev` stays as it is."""
    release = RELEASE.fullmatch(version)
    return f"{release[1]}.{release[2]}" if release else version


def publish(site: Path, pages: Path, version: str) -> None:
    """Copy the site into its folder, and write the list of versions again."""
    folder = folder_of(version)
    _replace(site, pages / folder)
    names = sorted((path.parent.name for path in pages.glob("*/index.html")), key=_order, reverse=True)
    names = [name for name in names if name != LATEST]
    newest = next((name for name in names if RELEASE.fullmatch(name)), "")
    if folder == newest:
        _replace(site, pages / LATEST)
    first = LATEST if newest else folder
    # Before the first release, `dev` counts as the latest: a page does not say that it is outdated.
    versions = [
        {"version": name, "title": name, "aliases": [LATEST] if name == (newest or "dev") else []} for name in names
    ]
    (pages / "versions.json").write_text(json.dumps(versions, indent=1) + "\n", encoding="utf-8")
    (pages / "index.html").write_text(_REDIRECT.format(folder=first), encoding="utf-8")
    shutil.copyfile(pages / first / "404.html", pages / "404.html")
    # GitHub Pages serves a branch as it is only if this file is there.
    (pages / ".nojekyll").touch()


def _order(name: str) -> tuple[int, int]:
    release = RELEASE.fullmatch(name)
    return (int(release[1]), int(release[2])) if release else (-1, 0)


def _replace(site: Path, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(site, folder)


def releases(root: Path) -> list[str]:
    """The newest tag of each minor release of a repository, the newest release first, if it can build a site."""
    tags = [tag for tag in _git(root, "tag", "--list", "--sort=-version:refname").split() if RELEASE.fullmatch(tag)]
    newest: dict[str, str] = {}
    for tag in tags:
        if _git(root, "ls-tree", "--name-only", tag, "website/__main__.py"):
            newest.setdefault(folder_of(tag), tag)
    return [*newest.values()][:MOST_RELEASES]


def publish_all(root: Path, pages: Path, url: str) -> None:
    """Build the site of each version in the repository, and put it into the folder `pages`."""
    _make_site(root, "dev", url)
    publish(root / "build" / "site", pages, "dev")
    for tag in releases(root):
        with tempfile.TemporaryDirectory() as folder:
            tree = Path(folder) / "tree"
            _git(root, "worktree", "add", "--detach", str(tree), tag)
            try:
                _make_site(tree, tag.removeprefix("v"), url)
                publish(tree / "build" / "site", pages, tag)
            finally:
                _git(root, "worktree", "remove", "--force", str(tree))


def _make_site(tree: Path, version: str, url: str) -> None:
    address = f"{url.rstrip('/')}/{folder_of(version)}/"
    subprocess.run(["make", "site", f"VERSION={version}", f"URL={address}"], cwd=tree, check=True)


def _git(root: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=root, check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> None:
    """Publish every version into the folder that the arguments name."""
    parser = argparse.ArgumentParser(prog="python -m website.publish", description="Build the sites of all versions.")
    parser.add_argument("--url", required=True, help="the address at which the folder will be")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "pages", help="the folder (build/pages)")
    arguments = parser.parse_args()
    publish_all(ROOT, arguments.out, arguments.url)
    print(f"the sites are in {arguments.out}")


if __name__ == "__main__":
    main()
