"""Folders show the architecture: each holds a number of files that can be read, and says what it is."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.project.source import SOURCE, modules, tree_of

MOST_FILES = 25
FEWEST_WORDS = 12
"""Of the docstring of a folder: what comes in, what goes out, who imports it."""

FOLDERS = sorted({file.parent for file in modules().values()})


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(SOURCE)))
def test_a_folder_has_at_most_25_files(folder: Path) -> None:
    """What has more is several rooms; data files count as well."""
    assert len([file for file in folder.iterdir() if file.is_file()]) <= MOST_FILES


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(SOURCE)))
def test_a_folder_says_what_it_is(folder: Path) -> None:
    """In the docstring of its `__init__.py`, which every folder has."""
    docstring = ast.get_docstring(tree_of(folder / "__init__.py")) or ""
    assert len(docstring.split()) >= FEWEST_WORDS
