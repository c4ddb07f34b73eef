"""Runs iam-simulate, an independent IAM simulator, as a separate program that answers line by line.

It is AGPL software: it is installed outside of this repository and run; none of it is imported into dsops or copied.
`package-lock.json` pins its version and the hash of every package that it needs.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from tests import installed as other_programs
from tests.children import SECONDS, Child
from tests.installed import ToolMissingError, tool

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType
    from typing import Self

HERE = Path(__file__).parent
Json = Any  # policies and requests in iam-simulate's format


class Oracle:
    """The running program; each `ask` writes one line and reads one line."""

    def __init__(self, folder: Path) -> None:
        node = shutil.which("node")
        if node is None:
            raise ToolMissingError("there is no node here")
        command = [node, str(HERE / "answer.mjs"), str(folder)]
        self._process = Child(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, policies: Mapping[str, Json], requests: Sequence[Json], **options: bool) -> list[Json]:
        """`Allowed`, `ExplicitlyDenied`, `ImplicitlyDenied` or {"error": ...} for each request."""
        wanted, given = cast("IO[str]", self._process.stdin), cast("IO[str]", self._process.stdout)
        wanted.write(json.dumps({"policies": policies, "requests": requests, **options}) + "\n")
        wanted.flush()
        answer = given.readline()
        if not answer:
            raise ToolMissingError(f"iam-simulate ended with {self._process.wait(timeout=SECONDS)}")
        return cast("list[Json]", json.loads(answer))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._process:
            cast("IO[str]", self._process.stdin).close()


def installed(environ: Mapping[str, str]) -> Path:
    """The folder with iam-simulate in `node_modules`; installed once per lock file."""
    npm_ci = [tool("npm", environ), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    tool("node", environ)
    return other_programs.installed(
        "iam-simulate", [HERE / "package.json", HERE / "package-lock.json"], [npm_ci], environ
    )
