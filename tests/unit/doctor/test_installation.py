"""Several installations of dsops on one PATH are reported, and one that has several names is not."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from dsops.doctor.installation import check_installations, programs_on


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """Two folders with a program named dsops each."""
    made = [tmp_path / "first", tmp_path / "second"]
    for folder in made:
        folder.mkdir()
        (folder / "dsops").write_text("#!/bin/sh\n", encoding="utf-8")
        (folder / "dsops").chmod(0o755)
    return made


def test_several_are_named_in_the_order_of_path(folders: list[Path]) -> None:
    """The warning names every installation in the order of PATH, and the Python environment of the first one."""
    (check,) = check_installations({"PATH": os.pathsep.join(str(folder) for folder in folders)})
    assert (check.code, check.status) == ("doctor.installation", "warning")
    assert check.detail == f"PATH has 2: {folders[0]}/dsops, {folders[1]}/dsops"
    assert sys.prefix in check.why


@pytest.mark.parametrize("path", ["", ":", "/nowhere", "."])
def test_one_or_none_is_no_news(folders: list[Path], path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A PATH that is empty, or has missing or relative folders, gives no warning about installations."""
    monkeypatch.chdir(folders[1])
    assert list(check_installations({"PATH": f"{folders[0]}:{path}:{folders[0]}"})) == []
    assert list(check_installations({})) == []


def test_what_is_the_same_program_counts_once(folders: list[Path], tmp_path: Path) -> None:
    """A link to an installation, as pipx and uv create it, is not counted as another installation."""
    (folders[1] / "dsops").unlink()
    (folders[1] / "dsops").symlink_to(folders[0] / "dsops")
    assert programs_on(f"{folders[1]}:{folders[0]}") == [f"{folders[1]}/dsops"]
    (folders[1] / "dsops").unlink()
    (folders[1] / "dsops").write_text("not a program", encoding="utf-8")
    (tmp_path / "third").mkdir()
    (tmp_path / "third" / "dsops").mkdir()
    assert programs_on(f"{folders[1]}:{tmp_path / 'third'}:{folders[0]}") == [f"{folders[0]}/dsops"]
