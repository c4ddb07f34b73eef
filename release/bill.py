"""Bills of materials (CycloneDX): what a fresh environment has once an artifact is installed in it."""

from __future__ import annotations

import re
import venv
from pathlib import Path

from release.tools import run


def of(wheels: list[Path], project: Path, folder: Path, epoch: str) -> str:
    """Install the wheels into a new environment in the folder, and return its bill of materials in JSON."""
    venv.create(folder, with_pip=False, symlinks=True)
    python = str(folder / "bin" / "python")
    files = [str(wheel) for wheel in wheels]
    pip = ("pip", "--python", python, "--disable-pip-version-check", "--no-input", "install", "--quiet")
    run(*pip, "--no-compile", "--no-index", "--no-deps", *files, folder=folder, epoch=epoch)
    bom = ("cyclonedx_py", "environment", python, "--pyproject", str(project), "--output-reproducible")
    text = run(*bom, "--short-PURLs", folder=folder, epoch=epoch)
    # pip noted where each file was: a folder that no longer exists.
    return re.sub(r'(?<=")file://[^"]*/', "", text)
