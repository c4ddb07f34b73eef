"""`python -m website.publish SITE PAGES VERSION`: add a built site to a folder with the sites of all versions.

The folder PAGES is what the web server has: a folder for each version, `latest` with the newest release, the list
`versions.json` for the version selector, a page that leads to the newest one, and the page for a missing address.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
from pathlib import Path

RELEASE = re.compile(r"v?(\d+)\.(\d+)(?:\.\d+)?")
LATEST = "latest"
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
    versions = [{"version": name, "title": name, "aliases": [LATEST] if name == newest else []} for name in names]
    (pages / "versions.json").write_text(json.dumps(versions, indent=1) + "\n", encoding="utf-8")
    (pages / "index.html").write_text(_REDIRECT.format(folder=first), encoding="utf-8")
    shutil.copyfile(pages / first / "404.html", pages / "404.html")


def _order(name: str) -> tuple[int, int]:
    release = RELEASE.fullmatch(name)
    return (int(release[1]), int(release[2])) if release else (-1, 0)


def _replace(site: Path, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(site, folder)


def main() -> int:
    """Publish the site that the arguments name."""
    parser = argparse.ArgumentParser(
        prog="python -m website.publish", description="Add a built site to those of all versions."
    )
    parser.add_argument("site", type=Path, help="the folder that `make site` built")
    parser.add_argument("pages", type=Path, help="the folder with the sites of all versions")
    parser.add_argument("version", help="a release such as 1.2.3, or another name such as dev")
    arguments = parser.parse_args()
    publish(arguments.site, arguments.pages, arguments.version)
    print(f"{arguments.pages / folder_of(arguments.version)} has the site of {arguments.version}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
