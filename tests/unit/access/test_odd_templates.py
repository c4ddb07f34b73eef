"""Templates with values of unexpected types are read as far as possible, or refused with an error of dsops."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from dsops.access.facts.templates import read_plan, read_template
from dsops.errors import PolicyInvalid

CORPUS: Final = Path(__file__).parents[2] / "fuzz" / "corpus" / "access_template"
FILES: Final = sorted(path for path in CORPUS.iterdir() if path.name.startswith("accepted") and "yaml" not in path.name)
ODD: Final[tuple[Any, ...]] = (
    None,
    True,
    7,
    "x",
    [],
    {},
    [["x"]],
    {"a": {"b": []}},
    {"Ref": "R"},
    {"Ref": ["R"]},
    {"Fn::GetAtt": ["R", "Arn"]},
    {"Fn::Sub": ["${a}", 7]},
)


def places(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the keys that lead to each value in a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*above, key)
        yield from places(item, (*above, key))


def replaced(value: Any, place: tuple[Any, ...], odd: Any) -> str:
    """Return the JSON with another value at a place."""
    changed = copy.deepcopy(value)
    inner = changed
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = odd
    return json.dumps(changed)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_odd_values(path: Path) -> None:
    """Each value of a template is replaced by each odd one; no other error than PolicyInvalid occurs."""
    value = json.loads(path.read_text(encoding="utf-8"))
    tried = 0
    for place in places(value):
        for odd in ODD:
            text = replaced(value, place, odd)
            for read in (read_template, read_plan):
                try:
                    read(text, "template.json")
                except PolicyInvalid:
                    continue
                tried += 1

    assert tried > 50
