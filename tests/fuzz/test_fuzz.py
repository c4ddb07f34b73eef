"""Every file of the corpus in each run, and every target for its share of a minute."""

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
    """A target without a folder would be fuzzed by nobody's `make fuzz`, a folder without a target neither."""
    assert sorted(folder.name for folder in CORPUS.iterdir()) == sorted(TARGETS)


@pytest.mark.parametrize("path", files(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_known_input(path: Path) -> None:
    """An input is accepted or refused, as its name says; no other exception leaves the parser."""
    accepted = TARGETS[path.parent.name](path.read_bytes())

    if path.name.startswith(("accepted", "refused")):
        assert ("accepted" if accepted else "refused") == path.name.partition("-")[0]


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_corpus_reaches_both_ends(target: str) -> None:
    """A corpus in which all is refused, or nothing, would not lead the fuzzer past the first check."""
    names = {path.name.partition("-")[0] for path in (CORPUS / target).iterdir()}

    assert {"accepted", "refused"} <= names


@pytest.mark.skipif(find_spec("atheris") is None, reason="atheris has no wheel for this Python and machine")
@pytest.mark.parametrize("target", sorted(TARGETS))
def test_fuzzing_finds_nothing(target: str, tmp_path: Path) -> None:
    """Its share of a minute of coverage-guided inputs: no crash, no hang, no memory beyond the limit."""
    done = fuzz(target, SECONDS, folder=tmp_path)

    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-6000:]
