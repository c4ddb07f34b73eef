"""Markdown of the repository becomes Markdown of the site: places, links, pictures, and the sections of README.md."""

from __future__ import annotations

from pathlib import Path

import pytest

from website.__main__ import install_page
from website.picture import with_pictures
from website.slugs import slug
from website.sources import LinkError, Site, place


@pytest.mark.parametrize(
    ("source", "page"),
    [
        ("README.md", "index.md"),
        ("docs/README.md", "contents.md"),
        ("docs/how-to/README.md", "how-to/index.md"),
        ("docs/how-to/mfa.md", "how-to/mfa.md"),
        ("examples/break-glass/README.md", "examples/break-glass/index.md"),
        ("CONTRIBUTING.md", "contributing.md"),
        ("docs/images/help.png", "images/help.png"),
        ("templates/dsops-alerts.yaml", "files/templates/dsops-alerts.yaml"),
    ],
)
def test_each_file_has_a_place(source: str, page: str) -> None:
    """On the site, a file of docs/ has its path without docs/.

    An index page becomes index.md, and files that are not pages are in files/.
    """
    assert place(source) == page


def written(folder: Path, text: str, source: str = "docs/how-to/mfa.md") -> str:
    """The text of a page as it is written for the site."""
    site = Site(folder, {"dsops-exec": "reference/cli/exec.md"})
    site.write(place(source), text, source)
    site.copy_files()
    return (folder / place(source)).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("role-chain.md", "role-chain.md"),
        ("../reference/cli.md#dsops-exec", "../reference/cli/exec.md"),
        ("../reference/cli.md#exit-codes", "../reference/cli/index.md#exit-codes"),
        ("../../examples/break-glass/README.md", "../examples/break-glass/index.md"),
        ("../../README.md", "../index.md"),
        ("../../README.md#install", "../install.md"),
        ("../../README.md#platforms", "../install.md#platforms"),
        ("#keep", "#keep"),
        ("https://example.com/x.md", "https://example.com/x.md"),
    ],
)
def test_links_lead_to_the_same_page_on_the_site(tmp_path: Path, link: str, expected: str) -> None:
    """A relative link is rewritten to its target's path on the site; a link to another host is unchanged."""
    assert written(tmp_path, f"[text]({link})\n") == f"[text]({expected})\n"


def test_a_linked_file_is_copied(tmp_path: Path) -> None:
    """If a page links to a file that is not a page, the file is copied to the site."""
    text = written(tmp_path, "[rules](../../templates/dsops-alerts.yaml)\n")
    assert text == "[rules](../files/templates/dsops-alerts.yaml)\n"
    assert (tmp_path / "files/templates/dsops-alerts.yaml").is_file()


def test_code_stays_as_it_is(tmp_path: Path) -> None:
    """A string in a code block that looks like a link is not changed."""
    text = "`[a](b.md)`\n\n```md\n[a](b.md)\n```\n\n    [a](b.md)\n"
    assert written(tmp_path, text) == text


def test_a_link_to_nothing_is_an_error(tmp_path: Path) -> None:
    """If a page links to a file that does not exist, the error names the page and the link."""
    with pytest.raises(LinkError, match=r"docs/how-to/mfa\.md: the link to missing\.md"):
        written(tmp_path, "[a](missing.md)\n")


def test_layers_become_boxes() -> None:
    """A Mermaid diagram of layers becomes one list of boxes for each of its parts, with escaped texts."""
    part = 'subgraph a["dsops/"]\n        a1["cli <x>"]\n        a2["plan"]\n        a1 --> a2\n    end\n'
    diagram = f"flowchart TB\n    {part}"
    html = with_pictures(f"before\n```mermaid\n{diagram}```\nafter\n")
    assert html == (
        'before\n<div class="layers">\n<div><p><strong>dsops/</strong></p><ol>\n<li>cli &lt;x&gt;</li>\n<li>plan</li>\n'
        "</ol></div>\n</div>\nafter\n"
    )


@pytest.mark.parametrize("diagram", ["sequenceDiagram\nA->>B: x\n", "flowchart TB\nA -.-> B\n"])
def test_another_diagram_is_an_error(diagram: str) -> None:
    """If a diagram can't be shown correctly, the build fails."""
    with pytest.raises(ValueError, match="layers"):
        with_pictures(f"```mermaid\n{diagram}```\n")


def test_the_page_about_installing() -> None:
    """The page about installing has the two sections of README.md; if one is missing, the build fails."""
    readme = "# dsops\n\n## Install\n\npip\n\n## Other\n\nx\n\n## Platforms\n\nLinux\n"
    assert install_page(readme) == "# Install\n\npip\n\n## Platforms\n\nLinux\n"
    with pytest.raises(ValueError, match="no section platforms"):
        install_page("## Install\n")


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [("`dsops exec`", "dsops-exec"), ("Use --mask, and why", "use---mask-and-why"), ("Größe_1", "größe_1")],
)
def test_anchors_are_those_of_github(heading: str, anchor: str) -> None:
    """A link with an anchor works on GitHub and on the site."""
    assert slug(heading.replace("`", "")) == anchor
