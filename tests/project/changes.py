"""The table of changes in docs/explanation/architecture.md, and where the source has the example of each."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tests.project.source import ROOT, modules, nodes_of

PAGE = ROOT / "docs" / "explanation" / "architecture.md"


class Change(NamedTuple):
    """A row: what to add, one that is there already, and the files that it stands in."""

    name: str
    example: str
    files: tuple[str, ...]


def changes() -> list[Change]:
    """The rows of the page's table."""
    section = PAGE.read_text(encoding="utf-8").partition("\n## Which files a change touches\n")[2].partition("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")][2:]
    return [
        Change(name.strip(), example.strip().strip("`"), tuple(re.findall(r"`([^`]+)`", files)))
        for name, example, files in rows
    ]


def words(file: Path) -> Iterator[str]:
    """The text of every string in the code of a file; docstrings are left out."""
    docstrings = {id(node.value) for node in nodes_of(file) if isinstance(node, ast.Expr)}
    for node in nodes_of(file):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


@cache
def strings_of(file: Path) -> str:
    """All strings in the code of a file, one a line."""
    return "\n".join(words(file))


@cache
def names_of(file: Path) -> frozenset[str]:
    """The names that the code of a file imports, assigns and reads."""
    imported = {node.name for node in nodes_of(file) if isinstance(node, ast.alias)}
    return frozenset(imported | {node.id for node in nodes_of(file) if isinstance(node, ast.Name)})


def files_with(example: str) -> set[str]:
    """The files of the source that have the example as a word of a string, as a constant, or that are named after it.

    The constant of `long-use` is LONG_USE.
    """
    word = re.compile(rf"(?<![\w.-]){re.escape(example)}(?![\w.-])")
    stem = re.sub(r"\W", "_", example)
    return {
        str(file.relative_to(ROOT))
        for file in modules().values()
        if file.stem == stem or word.search(strings_of(file)) or stem.upper() in names_of(file)
    }
