"""Folders show the architecture: each holds a number of files that can be read, and says what it is."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.project.source import SOURCE, imports, modules, name_of, tree_of

MOST_FILES = 25
FEWEST_WORDS = 12
"""Of the docstring of a folder: what comes in, what goes out, who imports it."""
IMPORTER = re.compile(r"imported by|imports? (it|this|its)\b|which import it", re.IGNORECASE)
LIST = re.compile(r"Imported by ((?:`\w+`(?:, | and )?)+)[.;]")

FOLDERS = sorted({file.parent for file in modules().values()})
ROOMS = [folder for folder in FOLDERS if folder != SOURCE / "dsops"]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(SOURCE)))
def test_a_folder_has_at_most_25_files(folder: Path) -> None:
    """A source folder has at most 25 files, data files included; a larger one is split."""
    assert len([file for file in folder.iterdir() if file.is_file()]) <= MOST_FILES


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(SOURCE)))
def test_a_folder_says_what_it_is(folder: Path) -> None:
    """Every source folder has an `__init__.py` whose docstring describes the folder."""
    text = docstring_of(folder)
    assert len(text.split()) >= FEWEST_WORDS


@pytest.mark.parametrize("folder", ROOMS, ids=lambda folder: str(folder.relative_to(SOURCE)))
def test_a_room_says_who_imports_it(folder: Path) -> None:
    """A folder's docstring describes it, then says who imports it; a list of importers equals the actual imports."""
    text = docstring_of(folder)
    assert len(re.findall(r"[.:;]\s|[.]$", text)) >= 2
    assert IMPORTER.search(text)
    listed = LIST.search(text)
    assert not listed or set(re.findall(r"`(\w+)`", listed[1])) == importers(name_of(folder / "__init__.py"))


def docstring_of(folder: Path) -> str:
    """The docstring of a folder's `__init__.py`, in one line."""
    return " ".join((ast.get_docstring(tree_of(folder / "__init__.py")) or "").split())


def importers(room: str) -> set[str]:
    """The rooms that import it, without the door above it: each by its first name that is not of the room's path."""
    names = [
        name.split(".")
        for name, others in imports().items()
        if not is_in(room, name) and not is_in(name, room) and any(is_in(other, room) for other in others)
    ]
    path = room.split(".")
    return {
        next(part for place, part in enumerate(parts) if parts[: place + 1] != path[: place + 1]) for parts in names
    }


def is_in(name: str, room: str) -> bool:
    """Whether the module is the room or stands in it."""
    return name == room or name.startswith(f"{room}.")
