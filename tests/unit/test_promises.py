"""tests/promises.md: every promise names a test, and every named test exists."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "tests" / "promises.md"


def rows(page: str, section: str) -> list[list[str]]:
    """The cells of a section's table, row by row, without its heading."""
    text = page.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    table = [re.split(r"(?<!\\)\|", line.strip("|")) for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in table[2:]]


@cache
def functions(path: Path) -> frozenset[str]:
    """The tests of a file as pytest names them: `test_this`, `TestThat::test_this`."""
    names = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.ClassDef):
            members = (member.name for member in node.body if isinstance(member, ast.FunctionDef))
            names |= {f"{node.name}::{member}" for member in members}
    return frozenset(name for name in names if name.rpartition("::")[2].startswith("test"))


def complaints(page: str, root: Path) -> list[str]:
    """The page's mistakes; empty if every shown promise names existing tests."""
    collected = []
    for row in rows(page, "Shown"):
        if len(row) != 3 or not all(row):
            collected.append(f"not a promise, a place and a test: {row}")
            continue
        for test in row[2].replace("`", "").split(", "):
            file, _, function = test.partition("::")
            if not (root / file).is_file():
                collected.append(f"no such file: {test}")
            elif function and function.partition("[")[0] not in functions(root / file):
                collected.append(f"no such test: {test}")
            elif not function and not file.startswith("tests/scripts/"):
                collected.append(f"names no test in that file: {test}")
    collected += [f"not a promise and a place: {row}" for row in rows(page, "Not yet shown") if len(row) != 2]
    return collected


def test_each_promise_names_tests_that_exist() -> None:
    """Every promise names existing tests, so the check notices a renamed or removed test."""
    page = PAGE.read_text(encoding="utf-8")

    assert 100 < len(rows(page, "Shown")) + len(rows(page, "Not yet shown"))
    assert [] == complaints(page, ROOT)


@pytest.mark.parametrize(
    ("cells", "complaint"),
    [
        ("| it works | page | tests/test_it.py::test_works |", ""),
        ("| it works | page | `tests/test_it.py::TestIt::test_works[one]`, tests/scripts/it.txt |", ""),
        ("| it works | page | tests/test_it.py::test_works_not |", "no such test"),
        ("| it works | page | tests/test_it.py::helper |", "no such test"),
        ("| it works | page | tests/test_that.py::test_works |", "no such file"),
        ("| it works | page | tests/scripts/that.txt |", "no such file"),
        ("| it works | page | tests/test_it.py |", "names no test"),
        ("| it works | page | |", "not a promise"),
        ("| it works | page |", "not a promise"),
    ],
)
def test_a_promise_without_its_test_is_noticed(tmp_path: Path, cells: str, complaint: str) -> None:
    """The check reports missing tests and accepts existing ones."""
    (tmp_path / "tests" / "scripts").mkdir(parents=True)
    (tmp_path / "tests" / "scripts" / "it.txt").write_text("$ true\n")
    (tmp_path / "tests" / "test_it.py").write_text(
        "def helper(): ...\ndef test_works(): ...\nclass TestIt:\n    def test_works(self): ...\n"
    )
    heading = "\n## Shown\n\n| Promise | Where | Test |\n|---|---|---|\n"

    found = complaints(f"{heading}{cells}\n\n## Not yet shown\n", tmp_path)

    assert bool(complaint) == bool(found)
    assert all(message.startswith(complaint) for message in found)
