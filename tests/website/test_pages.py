"""The generated pages: commands, the Python API, and the navigation that leads to every page."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from website import api, commands
from website.__main__ import CLI, write_pages
from website.navigation import navigation, targets
from website.sources import ROOT

REFERENCE = (ROOT / CLI).read_text(encoding="utf-8")


def test_each_command_has_a_page() -> None:
    """The page of a command has its help, and the environment variables of its own and the common flags."""
    pages = commands.command_pages(REFERENCE)
    assert len(pages) == REFERENCE.count("\n## dsops ")
    page = pages["reference/cli/sandbox-run.md"]
    assert "# dsops sandbox run\n\n```console\n$ dsops sandbox run --help\n" in page
    assert "| `--seed` | `DSOPS_SANDBOX_SEED` |" in page
    assert "| `--json` | `DSOPS_JSON` |" in page
    assert "DSOPS_AGENT_IDLE" not in page


def test_the_index_lists_each_command_once() -> None:
    """The command-line page links to each command once, and keeps its sections on exit codes and variables."""
    page = commands.index_page(REFERENCE)
    names = [path.removeprefix("reference/cli/") for path in commands.command_pages(REFERENCE)]
    assert [name for name in names if page.count(f"]({name})") != 1] == []
    assert "## Exit codes" in page
    assert "## Variables" in page


@pytest.mark.parametrize(
    ("anchor", "page"),
    [("dsops-sandbox-run", "reference/cli/sandbox-run.md"), ("exit-codes", ""), ("dsops-sandbox", "")],
)
def test_an_anchor_leads_to_the_page_of_its_command(anchor: str, page: str) -> None:
    """An anchor of the command-line page on GitHub leads to the command's own page on the site."""
    assert commands.anchors(REFERENCE).get(anchor, "") == page


@pytest.mark.parametrize("module", ["dsops.policy", "dsops.testing"])
def test_each_public_name_is_documented(module: str) -> None:
    """The page of a package has a directive for each of its public names."""
    text = next(text for path, title, text in api.pages() if title == module)
    directives = [line.removeprefix("::: ") for line in text.splitlines() if line.startswith("::: ")]
    assert sorted(directives) == sorted(f"{module}.{name}" for name in import_module(module).__all__)


def test_the_navigation_leads_to_every_page(tmp_path: Path) -> None:
    """Each page of the site is in the navigation once, and each navigation entry is a page."""
    pages = write_pages(tmp_path)
    listed = list(targets(navigation(pages)))
    assert sorted(listed) == sorted({*listed})
    assert sorted(listed) == sorted(pages)


def test_a_page_that_no_index_lists_is_an_error() -> None:
    """If docs/README.md does not list a page, the build fails."""
    with pytest.raises(ValueError, match=r"leads to how-to/new\.md"):
        navigation(["index.md", "how-to/new.md"])
