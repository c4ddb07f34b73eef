"""iam-simulate, a simulator of IAM that we did not write, as a program of its own that answers line by line.

It is AGPL software: it is installed outside of this repository, run, and asked; nothing of it is imported into dsops
or copied. `package-lock.json` pins its version and the hash of every package that it needs.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType
    from typing import Self

HERE = Path(__file__).parent
_INSTALL_SECONDS = 60
Json = Any  # policies and requests, as the other program takes them


class OracleMissingError(Exception):
    """It can't be had here; the message says why."""


class Oracle:
    """The other program, running. One `ask` is a line to it and a line back."""

    def __init__(self, folder: Path) -> None:
        node = shutil.which("node")
        if node is None:
            raise OracleMissingError("there is no node here")
        command = [node, str(HERE / "answer.mjs"), str(folder)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, policies: Mapping[str, Json], requests: Sequence[Json], **options: bool) -> list[Json]:
        """`Allowed`, `ExplicitlyDenied`, `ImplicitlyDenied` or {"error": ...} for each request."""
        wanted, given = cast("IO[str]", self._process.stdin), cast("IO[str]", self._process.stdout)
        wanted.write(json.dumps({"policies": policies, "requests": requests, **options}) + "\n")
        wanted.flush()
        answer = given.readline()
        if not answer:
            raise OracleMissingError(f"iam-simulate ended with {self._process.wait()}")
        return cast("list[Json]", json.loads(answer))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._process:
            cast("IO[str]", self._process.stdin).close()


def installed(environ: Mapping[str, str]) -> Path:
    """The folder whose `node_modules` has iam-simulate; installed there once per lock file."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        raise OracleMissingError("node and npm are needed to run iam-simulate, and are not here")
    lock = (HERE / "package-lock.json").read_bytes()
    cache = Path(environ.get("XDG_CACHE_HOME") or Path(environ.get("HOME", "/")) / ".cache") / "dsops-tests"
    folder = cache / f"iam-simulate-{hashlib.sha256(lock).hexdigest()[:16]}"
    if not folder.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        _install(npm, environ, cache, folder)
    return folder


def _install(npm: str, environ: Mapping[str, str], cache: Path, folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=cache, prefix="installing-") as temporary:
        fresh = Path(temporary) / "fresh"
        fresh.mkdir()
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, fresh)
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        try:
            subprocess.run(
                command, cwd=fresh, env=dict(environ), check=True, capture_output=True, text=True,
                timeout=_INSTALL_SECONDS,
            )  # fmt: skip
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            said = str(error.stderr or error).strip().splitlines()
            raise OracleMissingError(f"npm could not install iam-simulate: {said[0] if said else error}") from error
        try:
            os.rename(fresh, folder)
        except OSError:
            # Another run was faster; what it installed is the same.
            if not folder.is_dir():
                raise
