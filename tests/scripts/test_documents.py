"""Every `$ dsops ... --help` in a ```console block of the documentation shows what the program really prints.

DSOPS_UPDATE_GOLDEN=1 writes it anew.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.scripts.script import Step, run
from tests.scripts.test_scripts import UPDATE

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Shown(NamedTuple):
    """A command of a page, and what the page says that it prints."""

    page: Path
    command: str
    output: str


def shown(page: Path, text: str) -> list[Shown]:
    """The help texts that a page shows, in order."""
    found = []
    for block in BLOCK.findall(text):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            if command.startswith("dsops ") and command.endswith(" --help"):
                found.append(Shown(page, command, output))
    return found


HELP = [entry for page in PAGES for entry in shown(page, page.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("entry", HELP, ids=lambda entry: f"{entry.page.name}: {entry.command}")
def test_help_is_shown_as_it_is_printed(entry: Shown, tmp_path: Path) -> None:
    """The page's text and the program's are the same, line by line."""
    printed = run(Step(line=0, command=entry.command, environ={}), tmp_path, tmp_path)

    if UPDATE:
        old, new = (f"$ {entry.command}\n{text}" for text in (entry.output, printed.stdout))
        entry.page.write_text(entry.page.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    else:
        assert printed.stdout == entry.output
    assert (0, "") == (printed.exit_code, printed.stderr)


def test_the_readme_shows_the_commands() -> None:
    """The list of commands is in README.md, so the check above has something to look at."""
    assert "dsops --help" in {entry.command for entry in HELP if entry.page.name == "README.md"}


def test_only_help_in_console_blocks_is_compared() -> None:
    """A block may show several commands; other commands and other blocks are left alone."""
    block = "```console\n$ dsops plan\nx\n$ dsops plan --help\nusage\n\n$ aws --help\ny\n```\n"
    other = "```\n$ dsops --help\n```\n"

    assert [Shown(PAGES[0], "dsops plan --help", "usage\n\n")] == shown(PAGES[0], block + other)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Every link from one page of the repository to another names a file that exists."""
    links = re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))

    assert [] == [link for link in links if "://" not in link and not (page.parent / link).exists()]
