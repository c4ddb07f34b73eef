"""The JSON Schemas of dsops.yaml and of a node's file at their stable paths, and the entry for schemastore.org."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from dsops.cli import main

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
SCHEMA = REFERENCE / "dsops.schema.json"
NODE_SCHEMA = REFERENCE / "node.schema.json"
UPDATE = bool(os.environ.get("DSOPS_UPDATE_GOLDEN"))


@pytest.mark.parametrize(("words", "file"), [(["schema"], SCHEMA), (["schema", "--for-node"], NODE_SCHEMA)])
def test_the_published_schema_is_what_dsops_prints(
    capfd: pytest.CaptureFixture[str], words: list[str], file: Path
) -> None:
    """The schemas in docs/reference are the output of `dsops schema`; DSOPS_UPDATE_GOLDEN=1 writes them again."""
    assert main(words) == 0
    printed = capfd.readouterr().out
    if UPDATE:
        file.write_text(printed, encoding="utf-8")
    assert printed == file.read_text(encoding="utf-8")


def test_the_entry_of_the_catalogue() -> None:
    """The catalogue entry has only allowed keys, names the configuration's file, and links to the schema."""
    entry = json.loads((REFERENCE / "schemastore.json").read_text(encoding="utf-8"))
    assert list(entry) == ["name", "description", "fileMatch", "url"]
    assert entry["fileMatch"] == ["dsops.yaml"]
    assert entry["url"].startswith("https://")
    assert entry["url"].endswith(f"/{SCHEMA.relative_to(REFERENCE.parents[1])}")
    # The catalogue's maintainers refuse this word, since every entry is one.
    assert "schema" not in entry["name"] + entry["description"]
