"""Links between the Markdown files of the repository lead to files and headings, as GitHub shows them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.project.source import ROOT
from website.slugs import slug
from website.sources import prose, sources, with_links

FILES = sources()
HEADING = re.compile(r"^#+ (.+)$")
ANCHOR = re.compile(r'<a id="([^"]+)">')
MARKUP = re.compile(r"`|\*\*|\[([^\]]*)\]\([^)]*\)")


def anchors(file: Path) -> set[str]:
    """The anchors of a page: its headings, and those that it sets itself."""
    found: set[str] = set()
    for line, is_prose in prose(file.read_text(encoding="utf-8")):
        if is_prose and (heading := HEADING.match(line)):
            name = slug(MARKUP.sub(lambda match: match[1] or "", heading[1]))
            number = 0
            while (numbered := f"{name}-{number}" if number else name) in found:
                number += 1
            found.add(numbered)
        found |= {*ANCHOR.findall(line)}
    return found


def links(text: str) -> list[str]:
    """The targets of the relative links of a page."""
    found: list[str] = []

    def note(target: str) -> str:
        found.append(target)
        return target

    with_links(text, note)
    return found


@pytest.mark.parametrize("name", FILES)
def test_each_link_leads_somewhere(name: str) -> None:
    """Every relative link of a page leads to a file of the repository, and to a heading that the file has."""
    page = ROOT / name
    for link in links(page.read_text(encoding="utf-8")):
        path, _, anchor = link.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.is_file(), link
        assert not anchor or file.suffix != ".md" or anchor in anchors(file), link


def test_every_kind_of_link_is_seen() -> None:
    """The check finds links to a missing heading, an own anchor and another page; it ignores code and other hosts."""
    text = "[a](b.md#c) and ![d](e.png)\n`[no](f.md)` [g](https://example.com)\n```\n[no](h.md)\n```\n[i](#j)\n"
    assert links(text) == ["b.md#c", "e.png", "#j"]
