"""A person's machine in a folder: a home, a configuration, an agent of its own; what runs there is the real program."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Self

from dsops.testing.local_aws import LocalAws
from tests.permission import allow_found

BIN = Path(sys.executable).parent


class Desk:
    """Where somebody works with a sandbox; the agent ends with it."""

    def __init__(self, sandbox: LocalAws, folder: Path, config: str, **environ: str) -> None:
        """`environ` is what this machine has besides: keys, for one, of which there are none otherwise."""
        self.sandbox = sandbox
        self.folder = folder
        (folder / "dsops.yaml").write_text(config)
        # A socket's address must be short, and pytest's folders are not.
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
        """One command, to its end."""
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
        """One run of dsops; the user has allowed the file as it is now."""
        allow_found(self.folder, {**self.environ, **environ})
        return self.run("dsops", *words, **environ)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.dsops("agent", "stop")
        shutil.rmtree(self.environ["XDG_RUNTIME_DIR"])
