"""Runs the tools of requirements/release.txt, which are installed beside this Python."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from release.errors import ReleaseError

UNSET = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PEX_ROOT", "VIRTUAL_ENV", "PIP_REQUIRE_VIRTUALENV", "PIP_USER")
"""Variables that change what a tool builds or which Python it uses."""


def run(*words: str, folder: Path, epoch: str) -> str:
    """Run a Python module as a program, with the commit's time; return its stdout. Raises ReleaseError."""
    return start([sys.executable, "-m", *words], folder=folder, epoch=epoch)


def start(command: list[str], *, folder: Path, epoch: str) -> str:
    """Run a program, with the commit's time; return its stdout. Raises ReleaseError."""
    environ = {name: value for name, value in os.environ.items() if name not in UNSET and not name.startswith("PEX_")}
    environ |= {"SOURCE_DATE_EPOCH": epoch, "PYTHONHASHSEED": "0", "TZ": "UTC", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = (done.stdout + done.stderr).strip()
        raise ReleaseError(f"{' '.join(command)} failed:\n{lines}")
    return done.stdout
