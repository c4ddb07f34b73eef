"""The comparison of both clients: 20 seconds in CI, two minutes in `make nightly`."""

from __future__ import annotations

import subprocess
import sys

import pytest

from release.launcher import ROOT
from tests.installed import OUTSIDE


@pytest.mark.timeout(300)
@pytest.mark.skipif(sys.platform != "linux", reason="the launcher is for Linux")
@pytest.mark.parametrize(
    "seconds", [pytest.param(20, marks=pytest.mark.clients), pytest.param(120, marks=pytest.mark.nightly)]
)
def test_the_clients_do_not_differ(seconds: int) -> None:
    """Both clients do the same with random words, environments and frames, and no sanitizer reports an error."""
    words = [sys.executable, "-m", "tests.launcher.differential", "--seconds", str(seconds)]
    done = subprocess.run(
        words, cwd=ROOT, env=dict(OUTSIDE), capture_output=True, text=True, errors="replace", check=False, timeout=280
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-4000:]
