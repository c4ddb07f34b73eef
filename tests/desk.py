"""Simulates a user's machine in a folder: its own home, configuration and agent, with the real program."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Self

from dsops.testing.local_aws import LocalAws
from tests.own_agent import ask_agent
from tests.permission import allow_found

BIN = Path(sys.executable).parent


class Desk:
    """A machine that uses a sandbox; its agent is stopped at the end."""

    def __init__(self, sandbox: LocalAws, folder: Path, config: str, **environ: str) -> None:
        """`environ` is added to the machine's environment, which otherwise has no keys."""
        self.sandbox = sandbox
        self.folder = folder
        (folder / "dsops.yaml").write_text(config)
        # A Unix socket's path is limited to about 100 bytes; pytest's folders are longer.
        self.environ = {
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "HOME": str(folder),
            "AWS_ENDPOINT_URL": sandbox.url,
            "XDG_RUNTIME_DIR": tempfile.mkdtemp(prefix="dsops-"),
            "AWS_EC2_METADATA_DISABLED": "true",
            **environ,
        }
        allow_found(folder, self.environ)

    def run(self, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run a command and wait until it ends."""
        return subprocess.run(
            words,
            cwd=self.folder,
            env={**self.environ, **environ},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            stdin=subprocess.DEVNULL,
        )

    def dsops(self, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run dsops, after allowing the configuration as it is now."""
        allow_found(self.folder, {**self.environ, **environ})
        return self.run("dsops", *words, **environ)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        ask_agent(self.environ, "stop")
        shutil.rmtree(self.environ["XDG_RUNTIME_DIR"], ignore_errors=True)
