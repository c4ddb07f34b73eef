"""docs/reference/explain.md lists every cause."""

from __future__ import annotations

import re
from pathlib import Path

import dsops.explain

SOURCE = Path(dsops.explain.__file__).parent
PAGE = Path(__file__).parents[3] / "docs" / "reference" / "explain.md"
NO_CAUSES = {"access-denied", "role-session", "federated-session", "web-identity", "external-id"}
"""Quoted words that look like causes but are error codes, kinds of callers or a family of two causes."""


def told() -> set[str]:
    """Return the causes that the page lists."""
    rows = [line for line in PAGE.read_text(encoding="utf-8").split("## Causes", 1)[1].splitlines() if line[:1] == "|"]
    return {cause for row in rows for cause in re.findall(r"`([a-z-]+)`", row.split("|")[1])}


def made() -> set[str]:
    """Return the causes in the code that makes findings."""
    collected = set()
    names = ("answer", "causes", "families", "ask", "investigate", "keys", "refused", "credential_error")
    for file in (file for name in names for file in SOURCE.rglob(f"{name}.py")):
        text = file.read_text(encoding="utf-8")
        collected |= set(re.findall(r'"([a-z]+(?:-[a-z]+)+)"', text))
    return collected - NO_CAUSES


def test_every_cause_stands_on_the_page() -> None:
    """Every cause in the code is on the page: programs that read causes need the complete list."""
    assert set() == made() - told()


def test_the_page_names_no_cause_that_is_none() -> None:
    """Every hyphenated word that the page lists as a cause is in the code; the test does not check single words."""
    assert set() == {cause for cause in told() if "-" in cause} - made()
