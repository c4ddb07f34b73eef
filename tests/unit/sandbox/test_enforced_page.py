"""docs/explanation/what-the-sandbox-enforces.md names existing tests for each rule."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "explanation" / "what-the-sandbox-enforces.md"
HEAD = re.compile(r"^\| Rule \| Source \| Test in `([^`]+)` \|$")


def rows() -> list[tuple[str, str, str]]:
    """Return test file, rule and test names for each row of each table on the page."""
    found, file = [], ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        head = HEAD.match(line)
        if head:
            file = head[1]
        elif not line.startswith("|"):
            file = ""
        elif file and not line.startswith("|---"):
            _, rule, _, tests, _ = (cell.strip() for cell in line.split("|"))
            found.append((file, rule, tests))
    return found


@pytest.mark.parametrize(("file", "rule", "tests"), rows())
def test_each_rule_has_a_test_that_exists(file: str, rule: str, tests: str) -> None:
    """The tests that each rule on the page names exist in the file that the page names."""
    text = (ROOT / file).read_text(encoding="utf-8")
    names = re.findall(r"`(test_\w+)`", tests)

    assert names, rule
    assert [name for name in names if f"def {name}(" not in text] == []


def test_there_are_rules() -> None:
    """The parser finds the tables on the page."""
    assert len(rows()) > 20
