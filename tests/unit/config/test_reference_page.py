"""docs/reference/configuration.md: its tables equal the schema, its examples load."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from dsops.config.sections import TOP_LEVEL_KEYS
from dsops.schema import AWS_KEYS, BUILTIN_TYPES, COMMON_KEYS, StoreKey
from dsops.transform import STEPS
from tests.unit.config.conftest import Configured

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "configuration.md"
TEXT = PAGE.read_text("utf-8")
UPDATE = bool(os.environ.get("DSOPS_UPDATE_GOLDEN"))
HEADER = "| Key | Takes | Meaning | Limits |\n|---|---|---|---|\n"

KINDS = {
    "text": "text",
    "integer": "whole number",
    "boolean": "true or false",
    "texts": "list of texts",
    "map": "mapping of texts",
    "policy": "JSON text or mapping",
    "command": "command line, or list of its words",
    "url": "address",
    "store": "name of a store",
    "file": "path",
    "page": "web address",
}


def limits_of(key: StoreKey) -> str:
    """A key's limits in words."""
    what = "" if key.kind == "integer" else " characters"
    collected = []
    if key.choices:
        collected.append(" or ".join(f"`{choice}`" for choice in key.choices))
    if key.minimum is not None and key.maximum is not None:
        collected.append(f"{key.minimum} to {key.maximum}{what}")
    elif key.minimum is not None:
        collected.append(f"at least {key.minimum}{what}".replace("1 characters", "1 character"))
    if key.maximum_value is not None:
        collected.append(f"values up to {key.maximum_value}{what}")
    if key.maximum_items is not None:
        collected.append(f"at most {key.maximum_items} entries")
    if key.shape:
        collected.append(key.shape)
    return "; ".join(collected)


def row(key: StoreKey) -> str:
    """A key's table row."""
    name = f"`{key.name}`" + (" (required)" if key.is_required else "")
    if key.aliases:
        name += f"; old name {', '.join(f'`{alias}`' for alias in key.aliases)}"
    return f"| {name} | {KINDS[key.kind]} | {key.help} | {limits_of(key)} |\n"


def tables() -> str:
    """The tables of every store type."""
    shared = {"Every type": COMMON_KEYS, "Every `aws.*` type": AWS_KEYS}
    found = [f"### {title}\n\n{HEADER}{''.join(map(row, keys))}" for title, keys in shared.items()]
    for store_type in BUILTIN_TYPES.values():
        own = [key for key in store_type.keys if key not in (*COMMON_KEYS, *AWS_KEYS)]
        found.append(f"### `{store_type.name}`\n\n{store_type.help}\n\n{HEADER}{''.join(map(row, own))}")
    return "\n".join(found)


def test_the_tables_are_the_schemas() -> None:
    """The reference page's tables equal those that are generated from the schema."""
    start, end = TEXT.index("### Every type\n"), TEXT.index("\n## ", TEXT.index("### Every type\n"))
    if UPDATE:
        PAGE.write_text(f"{TEXT[:start]}{tables()}{TEXT[end:]}", encoding="utf-8")
        return
    assert tables() == TEXT[start:end]


@pytest.mark.parametrize(
    "name", [*TOP_LEVEL_KEYS, *STEPS, "from", "literal", "default", "optional", "transform", "extends"]
)
def test_every_other_key_is_mentioned(name: str) -> None:
    """Every other key (sections, transforms, keys of a variable) is mentioned on the reference page."""
    assert f"`{name}`" in TEXT or f"`{name}:" in TEXT


@pytest.mark.parametrize("example", re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL))
def test_every_example_loads(configured: Configured, example: str) -> None:
    """Every example on the reference page loads unchanged."""
    configured(example, roles__yaml="version: 1\n")
