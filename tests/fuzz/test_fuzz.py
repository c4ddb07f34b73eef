"""Runs every file of the corpus and inputs made from them; atheris searches for 30 s, `make nightly` for longer."""

from __future__ import annotations

from importlib.util import find_spec
from random import Random
from typing import TYPE_CHECKING

import pytest

from tests.fuzz.__main__ import CORPUS, fuzz
from tests.fuzz.targets import TARGETS

if TYPE_CHECKING:
    from pathlib import Path

SECONDS = max(30 // len(TARGETS), 1)
NIGHTLY_SECONDS = 20
"""The times in which atheris searches inputs for one target."""

MUTANTS = 20
"""The number of inputs made from each file of the corpus."""


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
def test_damaged_inputs(target: str) -> None:
    """Inputs of the corpus with changed, repeated and missing bytes cause no undocumented exception."""
    random = Random(target)  # noqa: S311 - the same inputs each time
    for path in sorted((CORPUS / target).iterdir()):
        for _ in range(MUTANTS):
            TARGETS[target](damaged(path.read_bytes(), random))


def damaged(text: bytes, random: Random) -> bytes:
    """The bytes with some of them removed, repeated or replaced."""
    for _ in range(random.randint(1, 4)):
        begin, end = sorted(random.choices(range(len(text) + 1), k=2))
        end = min(end, begin + random.choice((1, 2, 8, 64)))
        part = random.choice((b"", text[begin:end] * 2, random.randbytes(end - begin), b"\0", b"\xff", b'"', b"{"))
        text = text[:begin] + part + text[end:]
    return text


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_corpus_reaches_both_ends(target: str) -> None:
    """The corpus of each target has accepted and refused inputs, so that the fuzzer gets past the first check."""
    names = {path.name.partition("-")[0] for path in (CORPUS / target).iterdir()}

    assert {"accepted", "refused"} <= names


@pytest.mark.parametrize(
    "seconds",
    [pytest.param(SECONDS, marks=pytest.mark.clients), pytest.param(NIGHTLY_SECONDS, marks=pytest.mark.nightly)],
)
@pytest.mark.skipif(find_spec("atheris") is None, reason="atheris has no wheel for this Python and machine")
@pytest.mark.parametrize("target", sorted(TARGETS))
def test_fuzzing_finds_nothing(target: str, seconds: int, tmp_path: Path) -> None:
    """Coverage-guided inputs cause no crash, no hang, and no memory use over the limit."""
    done = fuzz(target, seconds, folder=tmp_path)

    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-6000:]
