"""The tests of the agent run again with the native launcher as `dsops`.

The launcher itself does the warm path: it sends a command line to the agent, and runs the command or prints the answer.
CI runs the files about that, without their marked cases. `make nightly` runs these files whole, and those in which the
launcher mostly hands over to Python (`HANDED_OVER`).
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from release.launcher import ROOT
from tests.installed import OUTSIDE
from tests.launched import launcher

WARM = (
    "test_agent_answers.py",
    "test_agent_identity.py",
    "test_agent_left_out.py",
    "test_agent_together.py",
    "test_dialog.py",
    "test_exec_target.py",
)
HANDED_OVER = ("test_agent.py", "test_agent_attacked.py", "test_mfa.py")
OF_PYTHON = "next_to_nothing_is_imported or configuration_that_is_not_allowed"
"""A test of what Python imports, and one that connects to the agent of the Python that runs the tests."""


@pytest.mark.timeout(900)
@pytest.mark.skipif(sys.platform != "linux", reason="the launcher is for Linux")
@pytest.mark.parametrize(
    ("file", "marks"),
    [pytest.param(file, "not clients and not nightly", marks=pytest.mark.clients, id=file) for file in WARM]
    + [pytest.param(file, "not nightly", marks=pytest.mark.nightly, id=f"whole {file}") for file in WARM + HANDED_OVER],
)
def test_the_launcher_passes_the_tests_of_the_agent(file: str, marks: str) -> None:
    """Every test that runs dsops as a process with an agent passes with the launcher."""
    words = ["-p", "no:xdist", "-q", "-m", marks, "-k", f"not ({OF_PYTHON})"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words, f"tests/unit/cli/{file}"],
        cwd=ROOT,
        env={**os.environ, "DSOPS_TESTS_LAUNCHER": str(launcher())},
        capture_output=True,
        text=True,
        check=False,
        timeout=880,
    )
    assert done.returncode == 0, done.stdout[-5000:]


@pytest.mark.clients
@pytest.mark.skipif(sys.platform != "linux", reason="the launcher is for Linux")
def test_make_launcher_installs_into_a_relative_folder(tmp_path: Path) -> None:
    """`make launcher` names the folder `.venv/bin`, relative to the checkout."""
    folder = os.path.relpath(tmp_path, ROOT)
    words = [sys.executable, "-m", "release.launcher", folder]
    subprocess.run(words, cwd=ROOT, env=dict(OUTSIDE), check=True, timeout=100)
    assert (tmp_path / "dsops").read_bytes()[:4] == b"\x7fELF"
    assert os.access(tmp_path / "dsops-python", os.X_OK)
