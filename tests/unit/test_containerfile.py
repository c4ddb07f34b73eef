"""The `Containerfile`: what it copies exists, and its commands serve, report health and end when asked.

No container engine is needed: the tests parse its steps and run its commands unchanged but for address and port.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from tests.children import Child

ROOT = Path(__file__).parents[2]
DSOPS = [sys.executable, "-c", "import sys; from dsops.cli import main; sys.exit(main())"]


class Step(NamedTuple):
    """An instruction of the Containerfile with its arguments."""

    name: str
    text: str


@pytest.fixture(scope="module")
def stages() -> dict[str, list[Step]]:
    """Return the instructions of each stage, without comments; those before the first stage have the name ""."""
    lines = (ROOT / "Containerfile").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    found: dict[str, list[Step]] = {"": []}
    for line in (line.strip() for line in lines if line.strip() and not line.startswith("#")):
        name, _, text = line.partition(" ")
        if name == "FROM":
            found[text.partition(" AS ")[2]] = []
        list(found.values())[-1].append(Step(name, text.strip()))
    return found


def only(steps: list[Step], name: str) -> str:
    """Return the arguments of the only instruction of that name."""
    (step,) = (step for step in steps if step.name == name)
    return step.text


def copied(steps: list[Step]) -> list[str]:
    """Return everything that is copied from the repository."""
    texts = [step.text for step in steps if step.name == "COPY" and not step.text.startswith("--from=")]
    return [source for text in texts for source in text.split()[:-1]]


def test_it_knows_its_instructions(stages: dict[str, list[Step]]) -> None:
    """The Containerfile has only instructions that every engine knows, and one base, which is pinned by its digest."""
    known_names = {"FROM", "ENV", "WORKDIR", "COPY", "RUN", "USER", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT"}

    assert list(stages) == ["", "build", "dsops", "sandbox"]
    (base,) = stages.pop("")
    assert base.name == "ARG"
    assert re.fullmatch(r"BASE=python:3\.1\d-slim@sha256:[0-9a-f]{64}", base.text)
    assert {step.name for steps in stages.values() for step in steps} == known_names
    assert [only(steps, "FROM").partition(" ")[0] for steps in stages.values()] == ["${BASE}"] * 3


def test_what_is_copied_is_there_and_not_ignored(stages: dict[str, list[Step]]) -> None:
    """Every copied file exists, and `.dockerignore` excludes everything else, such as keys."""
    rules = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    kept = [rule[1:] for rule in rules if rule.startswith("!")]

    assert "*" in rules
    assert not any(fnmatch(name, rule) for name in (".git", ".venv", ".env", "dsops.yaml") for rule in kept)
    for source in copied(stages["build"]):
        assert (ROOT / source).exists(), source
        assert {source, source.split("/")[0]} & set(kept), source


def test_what_is_installed_is_pinned(stages: dict[str, list[Step]]) -> None:
    """Dependencies are installed by version and hash, and dsops from the copied files without dependencies."""
    *others, built, own = (step.text for step in stages["build"] if step.name == "RUN")

    for text in others:
        assert "pip install --require-hashes" in text
        assert set(re.findall(r"--requirement (\S+)", text)) <= set(copied(stages["build"]))
    assert "pip wheel --no-deps --no-build-isolation" in built
    assert "pip install --no-deps --no-index wheel/*.whl" in own


@pytest.mark.parametrize("image", ["dsops", "sandbox"])
def test_it_runs_as_an_unprivileged_user(stages: dict[str, list[Step]], image: str) -> None:
    """The container runs as a numeric user and group, which clusters can check.

    The final stage of the build copies only the Python environment.
    """
    steps = stages[image]
    user, group = only(steps, "USER").split(":")
    names = [step.name for step in steps]

    assert int(user) >= 1000
    assert int(group) >= 1000
    assert only(steps, "COPY") == f"--from=build /opt/{image} /opt/{image}"
    assert "RUN" not in names


def test_what_it_starts_serves_until_it_is_told_to_end(stages: dict[str, list[Step]], tmp_path: Path) -> None:
    """The entry point serves and is healthy until SIGTERM, and then exits with 0.

    It needs no variable except PATH, and no writable folder.
    """
    steps = stages["sandbox"]
    entry, health = (
        json.loads(only(steps, name).partition("[")[1] + only(steps, name).partition("[")[2])
        for name in ("ENTRYPOINT", "HEALTHCHECK")
    )
    port = only(steps, "EXPOSE")
    environ = {"PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": os.devnull}
    environ |= {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
    assert (entry[0], health[0], health[-1]) == ("dsops", "dsops", port)

    # Tests listen on loopback, on a free port.
    words = ["127.0.0.1" if word == "0.0.0.0" else word for word in entry[1:]]  # noqa: S104
    with Child(
        [*DSOPS, *words, "--port", "0"],
        env=environ,
        cwd=tmp_path,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            assert process.stdout is not None
            used = str(urlsplit(process.stdout.readline().strip()).port)
            check = [*DSOPS, *(used if word == port else word for word in health[1:])]
            healthy = subprocess.run(check, env=environ, cwd=tmp_path, capture_output=True, check=False, timeout=60)
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=10)
            gone = subprocess.run(check, env=environ, cwd=tmp_path, capture_output=True, check=False, timeout=60)
        finally:
            process.kill()

    assert (healthy.returncode, process.returncode) == (0, 0)
    assert gone.returncode != 0
