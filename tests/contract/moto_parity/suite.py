"""Runs moto's own tests, from its source distribution, against a server.

They are installed outside of this repository, and nothing is copied into it. In moto's server mode the decorator
`mock_aws` points boto3 at TEST_SERVER_MODE_ENDPOINT and resets the server around each test.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET

from tests.children import Child
from tests.installed import ToolMissingError, installed
from tests.ports import unused_port

HERE = Path(__file__).parent
_NO_LAMBDA = "not test_cancel_rotate_secret and not using_lambda"
"""Excluded tests: they run functions in Docker under a role whose trust policy is invalid, which AWS refuses as well.
"""
_STARTING_SECONDS = 20
_RUNNING_SECONDS = 500


class Suite(NamedTuple):
    """moto's tests and the environment that they run in."""

    python: Path
    sources: Path

    def run(self, url: str, wanted: Sequence[str], folder: Path) -> dict[str, str]:
        """Run tests; returns `test_iam/test_iam.py::test_get_user` -> passed, skipped, or a failure's first line."""
        report = folder / "report.xml"
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "TEST_SERVER_MODE": "true",
            "TEST_SERVER_MODE_ENDPOINT": url,
            "NO_PROXY": "127.0.0.1",
            "AWS_EC2_METADATA_DISABLED": "true",
            # no retries: a failing call fails at once
            "AWS_MAX_ATTEMPTS": "1",
        }
        done = subprocess.run(
            [
                self.python,
                "-m",
                "pytest",
                "-q",
                "-p",
                "no:cacheprovider",
                "-p",
                "no:warnings",
                "--tb=line",
                f"--junitxml={report}",
                "-k",
                _NO_LAMBDA,
                *(f"tests/{name}" for name in wanted),
            ],
            cwd=self.sources,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=_RUNNING_SECONDS,
        )
        assert done.returncode in {0, 1}, done.stdout[-2000:] + done.stderr[-2000:]
        return dict(_outcomes(report))


def _outcomes(report: Path) -> Iterator[tuple[str, str]]:
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 - pytest wrote it
        # `tests.test_iam.test_iam` or `tests.test_ssm.test_ssm.TestClass`
        parts = (case.get("classname") or "").split(".")
        name = f"{parts[1]}/{parts[2]}.py::{'::'.join([*parts[3:], case.get('name') or ''])}"
        bad = [problem for kind in ("failure", "error") for problem in case.findall(kind)]
        if bad:
            yield name, (bad[0].get("message") or "failed").strip().replace("\n", " ")
        else:
            yield name, "skipped" if case.findall("skipped") else "passed"


def moto_suite(environ: Mapping[str, str]) -> Suite:
    """The tests of the pinned moto. Raises ToolMissingError."""
    pip = [".venv/bin/python", "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input"]
    folder = installed(
        "moto-tests",
        [HERE / "requirements.txt", HERE / "sdist.txt"],
        [
            [sys.executable, "-m", "venv", ".venv"],
            [*pip, "install", "--require-hashes", "--requirement", "requirements.txt"],
            [
                *pip,
                "download",
                "--no-deps",
                "--no-binary=:all:",
                "--require-hashes",
                "--requirement",
                "sdist.txt",
                "--dest",
                ".",
            ],
            ["sh", "-c", "python3 -m tarfile -e moto-*.tar.gz sources && mv sources/moto-* sources/moto"],
        ],
        environ,
    )
    return Suite(folder / ".venv" / "bin" / "python", folder / "sources" / "moto")


@contextmanager
def moto_server(suite: Suite, folder: Path) -> Iterator[str]:
    """Start moto's own server; yields its address."""
    port = unused_port()
    command = [str(suite.python), "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    with Child(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for_port(port)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def wait_for_port(port: int) -> None:
    """Wait until a program listens on the port. Raises ToolMissingError after the starting time."""
    until = time.monotonic() + _STARTING_SECONDS
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise ToolMissingError("the server did not start")
