"""The check of the built site finds each kind of fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from website.check import problems


def found(folder: Path, body: str, url: str = "") -> list[str]:
    """The faults of a site with this page, a page `other/` with the anchor `here`, and a picture."""
    (folder / "other").mkdir()
    (folder / "other" / "index.html").write_text('<h1 id="here">x</h1>', encoding="utf-8")
    (folder / "a.png").write_bytes(b"")
    (folder / "index.html").write_text(body, encoding="utf-8")
    return list(problems(folder, url))


@pytest.mark.parametrize(
    "body",
    [
        '<a href="other/#here">x</a><a href="other/">y</a><a href="#top">z</a><p id="top">',
        '<a href="https://example.com/">x</a><a href="mailto:a@example.com">y</a>',
        '<img src="a.png" alt="a picture"><link rel="canonical" href="https://example.com/">',
        '<a href="..">all versions</a>',
    ],
)
def test_a_right_page_has_no_fault(tmp_path: Path, body: str) -> None:
    """For a page with correct links to pages, anchors, files and other hosts, the check finds no fault."""
    assert found(tmp_path, body) == []


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ('<a href="missing/">x</a>', "the link to missing/ leads nowhere"),
        ('<a href="other/#gone">x</a>', "the link to other/#gone leads nowhere"),
        ('<a href="#gone">x</a>', "the link to #gone leads nowhere"),
        ('<a href="../../etc/">x</a>', "the link to ../../etc/ leads nowhere"),
        ('<img src="a.png">', "the picture a.png has no text alternative"),
        ('<img src="b.png" alt="b">', "the link to b.png leads nowhere"),
        (
            '<script src="https://cdn.example.com/x.js"></script>',
            "loads https://cdn.example.com/x.js from another host",
        ),
        (
            '<link rel="stylesheet" href="//fonts.example.com/x.css">',
            "loads //fonts.example.com/x.css from another host",
        ),
    ],
)
def test_a_fault_is_named(tmp_path: Path, body: str, fault: str) -> None:
    """For a wrong link, the check names the page and the link."""
    assert found(tmp_path, body) == [f"index.html: {fault}"]


def test_links_from_the_root_of_the_host(tmp_path: Path) -> None:
    """The links of the 404 page begin with the path of the site."""
    body = '<a href="/dsops/1.2/other/">x</a><a href="/dsops/1.2/gone/">y</a>'
    faults = found(tmp_path, body, "https://example.com/dsops/1.2/")
    assert faults == ["index.html: the link to /dsops/1.2/gone/ leads nowhere"]
