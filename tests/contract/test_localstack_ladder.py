"""LocalStack's tests that were recorded on live AWS, against the sandbox and against moto's server.

Neither LocalStack nor its tests are in this repository: `DSOPS_LOCALSTACK` names a folder that
docs/explanation/proof-by-others.md describes. Without it, the tests are skipped.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.children import Child
from tests.contract.moto_parity.suite import moto_server, moto_suite, wait_for_port
from tests.installed import OUTSIDE, ToolMissingError
from tests.ports import unused_port

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(4000)]

COMMIT = "8b9a79f05846835cf4dff63ab7eefdde9df83783"
"""The commit of localstack/localstack that has the tests and the snapshots."""
LEAST: Mapping[str, tuple[int, int]] = {
    "dynamodb": (11, 30),
    "iam": (172, 360),
    "kms": (87, 124),
    "logs": (50, 39),
    "s3": (162, 865),
    "secretsmanager": (44, 240),
    "sns": (35, 90),
    "sqs": (198, 190),
    "ssm": (10, 6),
    "sts": (5, 17),
}
"""Service -> the number of tests that pass, and of equal snapshot keys; less than measured, because some tests wait."""
RECORDER = Path(__file__).with_name("localstack_ladder")
TEST_SECONDS = 20
SERVICE_SECONDS = 3600
SEED = """
accounts:
  "111111111111":
    users: {admin: {access_key_id: AKIAAAAAAAAAAAAAAAAA, secret_access_key: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}}
  "222222222222":
    users: {admin: {access_key_id: AKIABBBBBBBBBBBBBBBB, secret_access_key: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb}}
"""


class Count(NamedTuple):
    """The results of one service: tests that pass, all tests, equal snapshot keys, all keys."""

    passed: int
    tests: int
    same: int
    keys: int


@pytest.mark.parametrize("service", LEAST)
def test_the_sandbox_answers_as_live_aws_was_recorded(
    service: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As many tests and snapshot keys as before are those of live AWS."""
    checkout()
    with sandbox_server(tmp_path) as url:
        count = run_tests(service, url, "111111111111", tmp_path / "report.jsonl")
    show("the sandbox", service, count, capsys)

    least_tests, least_keys = LEAST[service]
    assert count.passed >= least_tests
    assert count.same >= least_keys


@pytest.mark.parametrize("service", LEAST)
def test_motos_server_is_counted_with_the_same_tests(
    service: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """moto's server runs the same tests, for the comparison in the documentation."""
    checkout()
    try:
        suite = moto_suite(OUTSIDE)
    except ToolMissingError as missing:
        pytest.skip(str(missing))
    with moto_server(suite, tmp_path) as url:
        count = run_tests(service, url, "123456789012", tmp_path / "report.jsonl")
    show("moto's server", service, count, capsys)

    assert count.tests > 0


@contextmanager
def sandbox_server(folder: Path) -> Iterator[str]:
    """Start the sandbox in a process of its own; yields its address."""
    port = unused_port()
    seed = folder / "seed.yaml"
    seed.write_text(SEED)
    command = [sys.executable, "-m", "dsops", "sandbox", "serve", "--seed", str(seed), "--port", str(port)]
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    with Child(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for_port(port)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def checkout() -> Path:
    """The folder of LocalStack's sources; skips the test if there is none. Its commit must be `COMMIT`."""
    folder = Path(OUTSIDE.get("DSOPS_LOCALSTACK", ""))
    if not (folder / "localstack" / "tests" / "aws").is_dir() or not (folder / "venv").is_dir():
        pytest.skip("DSOPS_LOCALSTACK names no folder with LocalStack's sources and a virtual environment")
    head = ["git", "-C", str(folder / "localstack"), "rev-parse", "HEAD"]
    assert subprocess.run(head, capture_output=True, text=True, check=True, timeout=60).stdout.strip() == COMMIT
    return folder / "localstack"


def run_tests(service: str, url: str, account: str, report: Path) -> Count:
    """Run LocalStack's tests of a service in its virtual environment, and count the results."""
    sources = checkout()
    keys = {"ACCESS_KEY_ID": "AKIAAAAAAAAAAAAAAAAA", "SECRET_ACCESS_KEY": "a" * 40}
    other_keys = {"ACCESS_KEY_ID": "AKIABBBBBBBBBBBBBBBB", "SECRET_ACCESS_KEY": "b" * 40}
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(report.parent),
        "PYTHONPATH": f"{RECORDER}:{sources / 'localstack-core'}",
        "DSOPS_LADDER_REPORT": str(report),
        "TEST_TARGET": "AWS_CLOUD",
        "TEST_SKIP_LOCALSTACK_START": "1",
        "TEST_DISABLE_RETRIES_AND_TIMEOUTS": "1",
        "SNAPSHOT_RAISE": "1",
        "AWS_ENDPOINT_URL": url,
        "TEST_AWS_ENDPOINT_URL": url,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REGION": "us-east-1",
        **{f"AWS_{name}": value for name, value in keys.items()},
        **{f"TEST_AWS_{name}": value for name, value in keys.items()},
        "TEST_AWS_ACCOUNT_ID": account,
        "TEST_AWS_REGION_NAME": "us-east-1",
        **{f"SECONDARY_TEST_AWS_{name}": value for name, value in other_keys.items()},
        "SECONDARY_TEST_AWS_ACCOUNT_ID": "222222222222",
        "SECONDARY_TEST_AWS_REGION_NAME": "ap-southeast-1",
    }
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:warnings", "-p", "recorder", f"--timeout={TEST_SECONDS}"]
    command = [str(sources.parent / "venv" / "bin" / "python"), "-m", "pytest", *options]
    done = subprocess.run(
        [*command, "--tb=no", f"tests/aws/services/{service}"],
        cwd=sources,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=SERVICE_SECONDS,
    )
    assert done.returncode in {0, 1}, done.stdout[-2000:] + done.stderr[-2000:]
    rows: list[dict[str, Any]] = [json.loads(line) for line in report.read_text().splitlines()]
    counted = [row for row in rows if row["outcome"] != "skipped"]
    return Count(
        sum(row["outcome"] == "passed" for row in counted),
        len(counted),
        sum(len(row["same"]) for row in counted),
        sum(row["keys"] for row in counted),
    )


def show(who: str, service: str, count: Count, capsys: pytest.CaptureFixture[str]) -> None:
    """Print the results of a service."""
    with capsys.disabled():
        print(
            f"\n{service}: {who} passes {count.passed} of {count.tests} tests; {count.same} of {count.keys} keys agree"
        )
