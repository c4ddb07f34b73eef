"""Installs third-party programs, once per pinned list, into a folder of the user's cache.

The repository contains only their names, versions and hashes. If a toolchain is missing or its registry is
unreachable, ToolMissingError says so and the test is skipped with that reason.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.groups import refuse_download

_INSTALL_SECONDS = 300

OUTSIDE: Mapping[str, str] = dict(os.environ)
"""The environment with which the test process started.

During a test HOME is an empty folder: a client installed there would be downloaded and compiled for that test alone
(the Go SDK: 85 s of processor time).
"""


class ToolMissingError(Exception):
    """A tool is not available; the message says why."""


def tool(name: str, environ: Mapping[str, str]) -> str:
    """The path of a program that must be on this machine. Raises ToolMissingError."""
    found = shutil.which(name, path=environ.get("PATH"))
    if found is None:
        raise ToolMissingError(f"there is no {name} here")
    return found


def installed(
    name: str,
    sources: Sequence[Path],
    commands: Sequence[Sequence[str]],
    environ: Mapping[str, str],
    *,
    seconds: float = _INSTALL_SECONDS,
) -> Path:
    """The folder in which the commands ran once beside copies of the sources; each set of sources has its own folder.

    A command may take `seconds`. Raises ToolMissingError if a command fails.
    """
    refuse_download(name)
    mark = hashlib.sha256()
    for source in sources:
        mark.update(source.read_bytes())
    mark.update(repr([list(command) for command in commands]).encode())
    cache = Path(environ.get("XDG_CACHE_HOME") or Path(environ.get("HOME", "/")) / ".cache") / "dsops-tests"
    folder = cache / f"{name}-{mark.hexdigest()[:16]}"
    if not folder.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        _install(name, sources, commands, environ, folder, seconds)
    return folder


def _install(
    name: str,
    sources: Sequence[Path],
    commands: Sequence[Sequence[str]],
    environ: Mapping[str, str],
    folder: Path,
    seconds: float,
) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="installing-") as temporary:
        fresh = Path(temporary) / "fresh"
        fresh.mkdir()
        for source in sources:
            shutil.copy(source, fresh)
        for command in commands:
            try:
                subprocess.run(
                    command,
                    cwd=fresh,
                    env=dict(environ),
                    check=True,
                    capture_output=True,
                    text=True,
                    stdin=subprocess.DEVNULL,
                    timeout=seconds,
                )
            except (OSError, subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
                message_text = str(getattr(error, "stderr", "") or error).strip().splitlines()
                why = message_text[0] if message_text else str(error)
                raise ToolMissingError(f"{name} could not be installed: {why}") from error
        try:
            os.rename(fresh, folder)
        except OSError:
            # A concurrent run was faster and has installed the same programs.
            if not folder.is_dir():
                raise
