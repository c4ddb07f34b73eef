"""Fixtures: configurations written into a folder of the test's own."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import pytest

from dsops.config import load
from dsops.errors import ConfigError, Problem
from dsops.model import Config


class Configured(Protocol):
    """Loads a `dsops.yaml` with this text; further files by name, with `__` for a dot and `_in_` for a slash."""

    def __call__(self, text: str, **files: str) -> Config:
        """The configuration, found from its own folder."""


class Refused(Protocol):
    """Gives the problems of a `dsops.yaml` with this text."""

    def __call__(self, text: str, **files: str) -> tuple[Problem, ...]:
        """The problems in the order in which they are reported."""


@pytest.fixture
def configured(tmp_path: Path) -> Configured:
    """Load a configuration: `configured("envs: ...", part__yaml="...")`."""

    def make(text: str, **files: str) -> Config:
        for name, content in {"dsops.yaml": text, **files}.items():
            path = tmp_path / name.replace("_in_", "/").replace("__", ".")
            path.parent.mkdir(exist_ok=True)
            path.write_text(content, encoding="utf-8")
        return load(folder=str(tmp_path), environ={"HOME": str(tmp_path)})

    return make


@pytest.fixture
def refused(configured: Configured) -> Refused:
    """The problems of a configuration that must have some."""

    def make(text: str, **files: str) -> tuple[Problem, ...]:
        with pytest.raises(ConfigError) as raised:
            configured(text, **files)
        return raised.value.problems

    return make
