"""Terraform with AWS's provider, unchanged but for the endpoint, under a role with exactly the permissions it needs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from dsops.sandbox.control.launch import identity_variables, open_server
from dsops.sandbox.control.server import SandboxServer
from dsops.sandbox.seed.file import read_seed
from tests.children import Child
from tests.clients.sdks import PROGRAMS
from tests.clients.test_guard import PROVIDERS
from tests.clients.test_long_commands import CLOCKED

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(1800)]
SECONDS = 900
LIFETIME_SECONDS = 900
ACCOUNT = "222222222222"
PAUSE = "touch applied; while [ ! -e renewed ]; do sleep 0.2; done"
SOURCE = PROGRAMS / "terraform"
CONFIG = f"""
version: 1
secretStores:
  terraform: {{type: aws.sts, region: us-east-1, role_arn: "arn:aws:iam::{ACCOUNT}:role/Terraform",
              role_session_name: test, duration_seconds: {LIFETIME_SECONDS}}}
"""


def script() -> str:
    """The shell's script that applies, waits for the file `renewed`, plans and destroys.

    The exit code of `plan -detailed-exitcode` is 2 if the plan contains a change, which ends the script.
    """
    flags = "-no-color -auto-approve -input=false -parallelism=20"
    return f"""
        terraform init -no-color -plugin-dir={PROVIDERS} >init.log
        terraform apply {flags}
        {PAUSE}
        terraform plan -no-color -detailed-exitcode -input=false
        terraform destroy {flags}
    """


class Stage(NamedTuple):
    """A sandbox, and a folder with Terraform's files and dsops.yaml."""

    folder: Path
    server: SandboxServer

    def start(self, script: str, *flags: str) -> subprocess.Popen[Any]:
        """Start the shell's script as the role Terraform. Its output goes to the files `output` and `errors`."""
        environment = {
            **os.environ,
            **identity_variables(self.server, "ada"),
            "DSOPS_NO_AGENT": "1",
            "CHECKPOINT_DISABLE": "1",
            "TF_CLI_CONFIG_FILE": os.devnull,
            "TEST_CLOCK": f"{self.server.url}/_sandbox/clock",
            "TF_VAR_function_zip": str(self.folder / "function.zip"),
        }
        words = ["--config", "dsops.yaml", "--credentials", "terraform", *flags, "--", "sh", "-euc", script]
        with (self.folder / "output").open("w") as output, (self.folder / "errors").open("w") as errors:
            return Child(
                [sys.executable, "-c", CLOCKED, *words],
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
            )

    def text(self, name: str = "output") -> str:
        """The content of the file `output` or `errors`."""
        return (self.folder / name).read_text()

    def keys(self) -> list[str]:
        """The access keys of the role's sessions, in the order of their first call."""
        sandbox = self.server.sandbox
        with sandbox.world.lock:
            identities = [record["userIdentity"] for record in sandbox.events.records()]
        return list(dict.fromkeys(who["accessKeyId"] for who in identities if who["type"] == "AssumedRole"))

    def wait_until(self, condition: Callable[[], bool], process: subprocess.Popen[Any]) -> None:
        """Wait until the condition holds; fail if the process ends before that, or after SECONDS.

        The condition must be cheap, because the sandbox answers in the same process.
        """
        end = time.monotonic() + SECONDS
        while not condition():
            assert process.poll() is None, self.text("errors")[-3000:]
            assert time.monotonic() < end
            time.sleep(0.2)

    def pass_seconds(self, seconds: float) -> None:
        """Move the sandbox's clock on, which is dsops' clock too."""
        with self.server.sandbox.world.lock:
            self.server.sandbox.move_clock(self.server.sandbox.clock.now() + seconds)


@contextmanager
def open_stage() -> Iterator[Stage]:
    """A new stage. Skips the test if Terraform or its provider is missing."""
    if shutil.which("terraform") is None or not PROVIDERS.is_dir():
        pytest.skip(f"there is no terraform with AWS's provider in {PROVIDERS} here")
    # Terraform's provider listens on a Unix socket, whose path must be short.
    with tempfile.TemporaryDirectory(prefix="dsops-tf-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        for file in ("main.tf", "queues.tf"):
            shutil.copy(SOURCE / file, folder)
        (folder / "dsops.yaml").write_text(CONFIG)
        with zipfile.ZipFile(folder / "function.zip", "w") as archive:
            archive.writestr("report.py", "def run(event, context):\n    return event\n")
        with open_server(read_seed((SOURCE / "seed.yaml").read_text(), "seed.yaml")) as server:
            yield Stage(folder, server)


def types_in(folder: Path) -> set[str]:
    """Return the resource types in a folder's files."""
    lines = [line for file in folder.glob("*.tf") for line in file.read_text().splitlines()]
    return {line.split('"')[1] for line in lines if line.startswith("resource ")}


def test_a_session_that_expires_is_renewed() -> None:
    """More than 30 resource types are applied, planned cleanly and destroyed; the session expires in the middle."""
    with open_stage() as stage:
        assert len(types_in(stage.folder)) >= 30

        with stage.start(script(), "--serve") as process:
            stage.wait_until((stage.folder / "applied").exists, process)
            stage.pass_seconds(LIFETIME_SECONDS - 200)
            stage.wait_until(lambda: len(stage.server.sandbox.sessions) >= 2, process)
            stage.pass_seconds(300)
            (stage.folder / "renewed").touch()
            code = process.wait(timeout=SECONDS)

        assert code == 0, stage.text("errors")[-3000:]
        for words in ("36 added, 0 changed", "No changes.", "36 destroyed"):
            assert words in stage.text()
        assert len(stage.keys()) >= 2
