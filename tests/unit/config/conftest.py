"""Configurations written into a folder of the test's own."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import pytest

from dsops.config import load
from dsops.errors import ConfigError, Problem
from dsops.model import Config


class Configured(Protocol):
    """Loads a `dsops.yaml` of that text; further files by their name, `__` for a dot and `_in_` for a slash."""

    def __call__(self, text: str, **files: str) -> Config:
        """The configuration, found from the folder it stands in."""


class Refused(Protocol):
    """The problems of a `dsops.yaml` of that text."""

    def __call__(self, text: str, **files: str) -> tuple[Problem, ...]:
        """In the order in which they are told."""


@pytest.fixture
def configured(tmp_path: Path) -> Configured:
    """`configured("envs: ...", part__yaml="...")`."""

    def make(text: str, **files: str) -> Config:
        for name, content in {"dsops.yaml": text, **files}.items():
            path = tmp_path / name.replace("_in_", "/").replace("__", ".")
            path.parent.mkdir(exist_ok=True)
            path.write_text(content, encoding="utf-8")
        return load(folder=str(tmp_path), environ={"HOME": str(tmp_path)})

    return make


@pytest.fixture
def refused(configured: Configured) -> Refused:
    """What is wrong with a configuration."""

    def make(text: str, **files: str) -> tuple[Problem, ...]:
        with pytest.raises(ConfigError) as raised:
            configured(text, **files)
        return raised.value.problems

    return make
