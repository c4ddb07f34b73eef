"""The tests of the agent run again with the native launcher as `dsops`."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from release.launcher import ROOT
from tests.launched import launcher

FILES = (
    "test_agent.py",
    "test_agent_answers.py",
    "test_agent_attacked.py",
    "test_agent_identity.py",
    "test_agent_together.py",
    "test_dialog.py",
    "test_exec_target.py",
    "test_mfa.py",
)
OF_PYTHON = "next_to_nothing_is_imported or configuration_that_is_not_allowed"
"""A test of what Python imports, and one that connects to the agent of the Python that runs the tests."""


@pytest.mark.clients
@pytest.mark.timeout(900)
@pytest.mark.skipif(sys.platform != "linux", reason="the launcher is for Linux")
@pytest.mark.parametrize("file", FILES)
def test_the_launcher_passes_the_tests_of_the_agent(file: str) -> None:
    """Every test that runs dsops as a process with an agent passes with the launcher."""
    words = ["-p", "no:xdist", "-q", "-m", "not clients and not nightly", "-k", f"not ({OF_PYTHON})"]
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
