"""docs/reference/explain.md: every cause stands there."""

from __future__ import annotations

import re
from pathlib import Path

import dsops.explain

SOURCE = Path(dsops.explain.__file__).parent
PAGE = Path(__file__).parents[3] / "docs" / "reference" / "explain.md"
NO_CAUSES = {"access-denied", "role-session", "federated-session", "web-identity", "external-id"}
"""Words in quotes of the same shape: an error's code, kinds of callers, a family that becomes two causes."""


def told() -> set[str]:
    """The causes of the page."""
    rows = [line for line in PAGE.read_text(encoding="utf-8").split("## Causes", 1)[1].splitlines() if line[:1] == "|"]
    return {cause for row in rows for cause in re.findall(r"`([a-z-]+)`", row.split("|")[1])}


def made() -> set[str]:
    """Words in quotes that name causes where findings are made."""
    found = set()
    names = ("answer", "causes", "families", "ask", "investigate", "keys", "refused")
    for file in (file for name in names for file in SOURCE.rglob(f"{name}.py")):
        text = file.read_text(encoding="utf-8")
        found |= set(re.findall(r'"([a-z]+(?:-[a-z]+)+)"', text))
    return found - NO_CAUSES


def test_every_cause_stands_on_the_page() -> None:
    """A program that looks at them has to know them all."""
    assert set() == made() - told()


def test_the_page_names_no_cause_that_is_none() -> None:
    """Those of one word are not looked for in the code."""
    assert set() == {cause for cause in told() if "-" in cause} - made()
