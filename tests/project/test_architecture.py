"""docs/explanation/architecture.md says what is so: the picture, the two paths, and where changes go."""

from __future__ import annotations

import os
import re

import pytest

from tests.project.changes import PAGE, Change, changes, files_with, words
from tests.project.picture import picture
from tests.project.source import ROOT, imports, modules

UPDATE = os.environ.get("DSOPS_UPDATE_GOLDEN") == "1"
TEXT = PAGE.read_text(encoding="utf-8")


def path(heading: str) -> list[str]:
    """The modules of the numbered list below a heading."""
    section = TEXT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return [f"dsops.{name}" for name in re.findall(r"^\d+\. `([\w.]+)`", section, re.MULTILINE)]


def reached_from(module: str) -> set[str]:
    """What a module imports, what the doors (`__init__.py`) of those rooms import, and what its tables name."""
    direct = imports()[module]
    doors = [name for name in direct if modules()[name].name == "__init__.py"]
    named = set(words(modules()[module]))
    behind = {other for door in doors for other in imports()[door]}
    # `f"dsops.stores.{name}"` names every module of the room.
    beginnings = tuple(text for text in named if text.startswith("dsops.") and text.endswith("."))
    in_tables = {
        name
        for name in modules()
        if name in named or name.removeprefix(f"{module}.") in named or name.startswith(beginnings)
    }
    return {*direct, *behind, *in_tables}


def test_the_picture_is_that_of_the_contracts() -> None:
    """The architecture page has the picture drawn from the import contracts (DSOPS_UPDATE_GOLDEN=1 redraws it)."""
    if UPDATE:
        drawn = re.sub(r"```mermaid\n.*?\n```", lambda _: picture(), TEXT, flags=re.DOTALL)
        PAGE.write_text(drawn, encoding="utf-8")
    assert picture() in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize(("heading", "fewest"), [("The path of one exec", 12), ("The path of one request", 12)])
def test_a_path_follows_imports(heading: str, fewest: int) -> None:
    """Each module on a path exists; an earlier module imports it or its package, or names it in a table."""
    names = path(heading)
    assert len(names) >= fewest
    assert set(names) <= modules().keys()
    reached = set[str]()
    for name in names:
        assert name == names[0] or name in reached, name
        reached |= reached_from(name)


def test_there_are_eight_changes() -> None:
    """The architecture page has a row for each of the eight changes that newcomers make most."""
    assert len(changes()) == 8


@pytest.mark.parametrize("change", changes(), ids=lambda change: change.example)
def test_a_change_touches_what_its_row_names(change: Change) -> None:
    """A row's example occurs only in files that the row names, and on every page that the row names."""
    found = files_with(change.example)
    pages = [file for file in change.files if file.endswith(".md")]

    assert found
    assert found <= set(change.files)
    assert [file for file in change.files if not (ROOT / file).is_file()] == []
    assert [page for page in pages if change.example not in (ROOT / page).read_text(encoding="utf-8")] == []
