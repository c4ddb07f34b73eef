"""`dsops audit report` interrupted while reading: it ends at once and leaves no temporary files."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.children import Child
from tests.groups import IN_CI

pytestmark = IN_CI  # many real programs: 1 s of processor time for each test

FILES = 4000
RECORDS = 200
"""The number of records in a file, so large that reading all files takes longer than the test waits."""
PATIENCE_SECONDS = 60
RECORD = {
    "eventTime": "2026-11-20T10:00:00Z",
    "eventName": "GetSecretValue",
    "eventSource": "secretsmanager.amazonaws.com",
    "userIdentity": {"arn": "arn:aws:iam::111111111111:user/ada"},
}


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with many links to one file, which takes long to read."""
    folder = tmp_path_factory.mktemp("logs")
    first = folder / "0.json.gz"
    first.write_bytes(gzip.compress(json.dumps({"Records": [RECORD] * RECORDS}).encode(), 1))
    for number in range(1, FILES):
        os.link(first, folder / f"{number}.json.gz")
    return folder


def is_reading(folder: Path) -> bool:
    """Whether the first records have been written to the database on disk."""
    return any(file.stat().st_size > 1 << 17 for file in folder.glob("dsops-audit-*/calls.duckdb"))


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM), (signal.SIGHUP, -signal.SIGHUP)],
    ids=["Ctrl-C", "CI cancels the job", "the terminal is closed"],
)
def test_an_interrupted_report_leaves_no_files(logs: Path, tmp_path: Path, number: signal.Signals, code: int) -> None:
    """A signal ends the report at once with the signal's exit code, and leaves no message or temporary file."""
    began = time.monotonic()
    with Child(
        [sys.executable, "-m", "dsops", "audit", "report", str(logs)],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            while not is_reading(tmp_path) and process.poll() is None:
                assert time.monotonic() < began + PATIENCE_SECONDS
                time.sleep(0.02)
            process.send_signal(number)
            told = process.communicate(timeout=PATIENCE_SECONDS)
        finally:
            process.kill()

    assert told == (b"", b"")
    assert process.returncode == code
    assert list(tmp_path.iterdir()) == []
