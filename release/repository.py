"""The repository that a release is made of: its version, its commit, and its files in a folder of their own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

from release.errors import ReleaseError

ROOT = Path(__file__).parents[1]


def version(root: Path = ROOT) -> str:
    """Return the version of dsops, read from the one file that has it."""
    path = root / "src" / "dsops" / "version.py"
    found = re.search(r'^__version__ = "([^"]+)"$', path.read_text(encoding="utf-8"), re.MULTILINE)
    if not found:
        raise ReleaseError(f'{path} has no line like __version__ = "1.2.3"')
    return found[1]


def address(root: Path = ROOT) -> str:
    """Return the address of the repository, read from pyproject.toml, the one file that has it."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["urls"]["Repository"])


def export(folder: Path, *, allow_dirty: bool, root: Path = ROOT) -> None:
    """Copy the committed files into the folder; with `allow_dirty`, the files as they are now, except ignored ones."""
    changed = git(root, "status", "--porcelain").splitlines()
    if changed and not allow_dirty:
        raise ReleaseError(
            f"{len(changed)} files differ from the commit (the first: {changed[0][3:]}): a release is built from a "
            "commit. Commit the changes, or try the build with: make dist ARGS=--allow-dirty"
        )
    listed = git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in filter(None, listed.split("\0")):
        source, target = root / name, folder / name
        if os.path.lexists(source):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)


def commit_time(root: Path = ROOT) -> str:
    """Return the time of the commit, or SOURCE_DATE_EPOCH from the environment, in seconds since 1970."""
    return os.environ.get("SOURCE_DATE_EPOCH") or git(root, "log", "-1", "--format=%ct").strip()


def git(root: Path, *words: str) -> str:
    """Run git in the repository and return its output."""
    try:
        done = subprocess.run(["git", *words], cwd=root, check=True, capture_output=True, text=True)  # noqa: S607
    except FileNotFoundError as error:
        raise ReleaseError("git is not installed: a release is built from a commit") from error
    except subprocess.CalledProcessError as error:
        raise ReleaseError(f"git {' '.join(words)} failed in {root}: {error.stderr.strip()}") from error
    return done.stdout
