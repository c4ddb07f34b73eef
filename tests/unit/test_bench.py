"""The benchmarks' stub works with boto3 and keeps its delay."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import boto3
import pytest
from botocore.exceptions import ClientError

from bench.mfa import run
from bench.run import Case, environment, measure, stub, write_config

if TYPE_CHECKING:
    from collections.abc import Iterator

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture(scope="module")
def allowed() -> Iterator[str]:
    """A stub without delay that allows the batch call."""
    with stub(delay_ms=0, batch="allowed") as address:
        yield address


def client(service: str, address: str) -> Any:  # boto3 ships no types
    """boto3's client of this service at the stub."""
    return boto3.client(
        service,
        region_name="us-east-1",
        endpoint_url=address,
        aws_access_key_id="AKIABENCHBENCHBENCHB",
        aws_secret_access_key="bench",
    )


def test_a_role_is_assumed(allowed: str) -> None:
    """AssumeRole's answer names the requested role and session."""
    role = "arn:aws:iam::123456789012:role/ProdAccessRole"

    answer = client("sts", allowed).assume_role(RoleArn=role, RoleSessionName="ada")

    assert "arn:aws:sts::123456789012:assumed-role/ProdAccessRole/ada" == answer["AssumedRoleUser"]["Arn"]
    assert answer["Credentials"]["SessionToken"]


def test_the_caller_is_told(allowed: str) -> None:
    """GetCallerIdentity always returns the same caller, with any signature."""
    assert client("sts", allowed).get_caller_identity()["Arn"] == "arn:aws:iam::123456789012:user/bench"


def test_secrets_are_read_singly_and_in_a_batch(allowed: str) -> None:
    """The value of a secret is derived from its name, in single reads and batches."""
    secrets = client("secretsmanager", allowed)

    single = secrets.get_secret_value(SecretId="a")
    batch = secrets.batch_get_secret_value(SecretIdList=["b", "c"])

    assert "value of a" == single["SecretString"]
    assert ["value of b", "value of c"] == [value["SecretString"] for value in batch["SecretValues"]]


def test_a_batch_is_denied_and_counted() -> None:
    """A stub that denies batches responds as AWS does, after its delay, and counts the calls."""
    with stub(delay_ms=50, batch="denied") as address:
        secrets = client("secretsmanager", address)
        begin = perf_counter()
        with pytest.raises(ClientError, match="AccessDeniedException"):
            secrets.batch_get_secret_value(SecretIdList=["a"])
        taken = perf_counter() - begin
        with urlopen(f"{address}/counts", timeout=5) as answer:
            counts = json.load(answer)

    assert taken >= 0.05
    assert {"BatchGetSecretValue": 1} == counts


def test_the_script_beside_dsops_does_the_same_two_calls(allowed: str, tmp_path: Path) -> None:
    """The benchmark's boto3 script gives the command the same value as dsops."""
    command = [sys.executable, str(BENCH / "with_boto3.py"), "printenv", "SECRET_000"]

    done = subprocess.run(
        command, env=environment(tmp_path, allowed), check=True, capture_output=True, text=True, timeout=60
    )

    assert "value of bench/000\n" == done.stdout


# Python 3.12 warns of a fork beside threads, which pytest plugins may have; this child only executes.
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_run_is_timed_from_start_to_end(tmp_path: Path) -> None:
    """Each round is measured with time and memory; a failing command ends the benchmark."""
    folder = write_config(tmp_path / "project", 1)
    environ = environment(tmp_path, "http://127.0.0.1:1")
    sleeper = Case("sleeper", [sys.executable, "-I", "-c", "import time; time.sleep(0.05)"], folder, environ)

    runs = measure([sleeper], 2)["sleeper"]

    assert 2 == len(runs)
    # The peak includes the forking process, here pytest, so it may be any number.
    assert all(run.wall_ms >= 50 and run.cpu_ms > 0 and run.peak_mb > 1 for run in runs)
    with pytest.raises(SystemExit, match="exit code 3"):
        measure([sleeper._replace(command=["/bin/sh", "-c", "exit 3"])], 1)


def test_several_roles_behind_one_device_take_one_code() -> None:
    """Several roles with one MFA device, used in separate runs, need one MFA code.

    The agent keeps the MFA session.
    """
    calls, codes, times = run(4)
    assert (codes, calls["GetSessionToken"], calls["AssumeRole"], calls["GetSecretValue"]) == (1, 1, 4, 4)
    assert len(times) == 4
