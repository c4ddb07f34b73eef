"""Files and functions can be read in one go, and the source does not grow by itself."""

from __future__ import annotations

import ast

from tests.project.source import ROOT, SOURCE, modules, nodes_of

LONGEST_FILE = 400
LONGEST_FUNCTION = 60
MOST_LINES = 145_607
MOST_SKIPS = 20

LENGTHS = {
    str(file.relative_to(SOURCE)): len(file.read_text(encoding="utf-8").splitlines()) for file in modules().values()
}


def test_a_file_is_at_most_400_lines() -> None:
    """No file is longer than 400 lines; most files have one topic and 80 to 350 lines."""
    assert {path: length for path, length in LENGTHS.items() if length > LONGEST_FILE} == {}


def test_a_function_is_at_most_60_lines() -> None:
    """No function is longer than 60 lines, which is one screen (the median is 7)."""
    long = [
        f"{name}.{node.name}: {length}"
        for name, file in modules().items()
        for node in nodes_of(file)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for length in [(node.end_lineno or node.lineno) - node.lineno + 1]
        if length > LONGEST_FUNCTION
    ]
    assert long == []


def test_the_source_has_not_grown() -> None:
    """The source has at most MOST_LINES lines; a commit that needs more raises MOST_LINES and says why."""
    assert sum(LENGTHS.values()) <= MOST_LINES


def test_few_lines_are_kept_from_the_formatter() -> None:
    """Few lines, only tables, are exempt from the formatter."""
    files = [file for folder in ("src", "tests", "bench", "examples") for file in (ROOT / folder).rglob("*.py")]
    marks = ("# fmt: " + word for word in ("skip", "off"))
    assert sum(file.read_text(encoding="utf-8").count(mark) for mark in marks for file in files) <= MOST_SKIPS
