"""Runs every file of the corpus each time, and every target for its share of a minute."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from tests.fuzz.__main__ import CORPUS, fuzz
from tests.fuzz.targets import TARGETS

if TYPE_CHECKING:
    from pathlib import Path

SECONDS = max(60 // len(TARGETS), 1)


def files() -> list[Path]:
    """All inputs."""
    return sorted(path for path in CORPUS.glob("*/*") if path.is_file())


def test_each_target_has_a_corpus() -> None:
    """Every fuzz target has a folder with inputs and every folder a target, so `make fuzz` covers all of them."""
    assert sorted(folder.name for folder in CORPUS.iterdir()) == sorted(TARGETS)


@pytest.mark.parametrize("path", files(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_known_input(path: Path) -> None:
    """A known input is accepted or refused as its name says, and no undocumented exception leaves the parser."""
    accepted = TARGETS[path.parent.name](path.read_bytes())

    if path.name.startswith(("accepted", "refused")):
        assert ("accepted" if accepted else "refused") == path.name.partition("-")[0]


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_corpus_reaches_both_ends(target: str) -> None:
    """The corpus of each target has accepted and refused inputs, so that the fuzzer gets past the first check."""
    names = {path.name.partition("-")[0] for path in (CORPUS / target).iterdir()}

    assert {"accepted", "refused"} <= names


@pytest.mark.skipif(find_spec("atheris") is None, reason="atheris has no wheel for this Python and machine")
@pytest.mark.parametrize("target", sorted(TARGETS))
def test_fuzzing_finds_nothing(target: str, tmp_path: Path) -> None:
    """Coverage-guided inputs (for a share of a minute) cause no crash, no hang, and no memory use over the limit."""
    done = fuzz(target, SECONDS, folder=tmp_path)

    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-6000:]
