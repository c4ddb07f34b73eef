"""`python -m website`: build the site into build/site, and check it. Exits with 1 if a link or a page is wrong."""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path

from website import api, commands
from website.cast import player
from website.check import problems
from website.config import write_config
from website.navigation import navigation
from website.picture import with_pictures
from website.sources import INSTALL, PLACES, README_SECTIONS, ROOT, LinkError, Site, place, sources

HERE = Path(__file__).parent
CLI = "docs/reference/cli.md"
CAST = "docs/images/first-minute.cast"


def write_pages(folder: Path) -> list[str]:
    """Write every page as Markdown into the folder; returns their paths."""
    reference = (ROOT / CLI).read_text(encoding="utf-8")
    site = Site(folder, commands.anchors(reference))
    for source in sources():
        if source not in {"README.md", CLI}:
            site.write(place(source), with_pictures((ROOT / source).read_text(encoding="utf-8")), source)
    landing = (HERE / "landing.md").read_text(encoding="utf-8")
    site.write("index.md", landing.replace("CAST\n", player(ROOT / CAST)), "docs/README.md")
    site.write(INSTALL, install_page((ROOT / "README.md").read_text(encoding="utf-8")), "README.md")
    site.write(PLACES[CLI], commands.index_page(reference))
    for page, text in commands.command_pages(reference).items():
        site.write(page, text)
    for page, _, text in api.pages():
        site.write(page, text)
    site.copy_files()
    shutil.copytree(HERE / "theme" / "assets", folder / "assets", dirs_exist_ok=True)
    return site.pages


def install_page(readme: str) -> str:
    """The sections of README.md about installing as one page. Raises ValueError if one is missing."""
    parts = re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", readme, re.MULTILINE | re.DOTALL)
    sections = {title.lower(): body for title, body in parts}
    if missing := [name for name in README_SECTIONS if name not in sections]:
        raise ValueError(f"README.md has no section {', '.join(missing)}: website/sources.py names the sections")
    first, *rest = [f"# {name.capitalize()}\n{sections[name]}" for name in README_SECTIONS]
    return "".join([first, *(f"#{section}" for section in rest)])


def build(out: Path, url: str, version: str) -> list[str]:
    """Build the site; returns what is wrong with it."""
    work = out.parent / f"{out.name}-pages"
    for folder in (work, out):
        shutil.rmtree(folder, ignore_errors=True)
    (work / "docs").mkdir(parents=True)
    nav = navigation(write_pages(work / "docs"))
    config = write_config(work, nav, url=url, version=version)
    done = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--clean", "--strict", "--config-file", str(config)],
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
    )
    if done.returncode:
        # A warning has colours also without a terminal, and the traceback of Zensical after it says nothing more.
        said = re.sub(r"\x1b\[[\d;]*m", "", done.stdout + done.stderr)
        return [said.partition("Traceback")[0] if "--strict flag" in said else said]
    (work / "site").rename(out)
    return list(problems(out, url))


def main() -> int:
    """Build the site that the arguments describe."""
    parser = argparse.ArgumentParser(prog="python -m website", description="Build the site of the documentation.")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "site", help="the folder of the site")
    parser.add_argument("--url", default="", help="the address at which the site will be")
    parser.add_argument("--version", default="", help="the version that the site is about")
    arguments = parser.parse_args()
    try:
        wrong = build(arguments.out.resolve(), arguments.url, arguments.version)
    except (LinkError, ValueError) as error:
        wrong = [str(error)]
    for line in wrong:
        print(line, file=sys.stderr)
    if not wrong:
        print(f"the site is in {arguments.out}: open {arguments.out / 'index.html'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
