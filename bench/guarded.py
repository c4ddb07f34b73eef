"""Measure whole guarded calls: boto3, `exec --guard` and the sandbox, against boto3 and the sandbox; print a table.

Run it with `python bench/guarded.py`. Calls and transfers take turns between the direct way and the
guard. CPU times are those of the dsops process.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

DSOPS = str(Path(sys.executable).with_name("dsops"))
ROLE = "arn:aws:iam::222222222222:role/Developer"
KEYS = ("AKIAADMINADMINADMIN0", "admin-has-a-secret-key-of-forty-letters")
REGION = "us-east-1"
EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
TRUST = {"Effect": "Allow", "Principal": {"AWS": "222222222222"}, "Action": "sts:AssumeRole"}
ROLES = {"Developer": {"trust": {"Version": "2012-10-17", "Statement": TRUST}, "policies": [EVERYTHING]}}
USERS = {"admin": {"access_key_id": KEYS[0], "secret_access_key": KEYS[1]}}
SEED = {"accounts": {"222222222222": {"users": USERS, "roles": ROLES}}}
STORE = {"type": "aws.sts", "region": REGION, "role_arn": ROLE, "role_session_name": "bench"}
POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": "arn:aws:dynamodb:*:222222222222:table/things"},
        {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": "arn:aws:s3:::things/*"},
    ],
}


def main() -> None:
    """Run the guarded program of the benchmark, or all measurements."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--megabytes", type=int, default=250, help="the sandbox refuses 1000 in one request")
    parser.add_argument("--guarded", default="", help="the sandbox's address, in the guarded program")
    arguments = parser.parse_args()
    if arguments.guarded:
        measure_calls(arguments.guarded)
        measure_transfers(arguments.guarded, arguments.rounds, arguments.megabytes * 1_000_000)
    else:
        measure(arguments.rounds, arguments.megabytes)


def measure(rounds: int, megabytes: int) -> None:
    """Start a sandbox, and print the table."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in (
            ("seed.yaml", SEED),
            ("dsops.yaml", {"version": 1, "secretStores": {"dev": STORE}}),
            ("guard.json", POLICY),
        ):
            (Path(folder) / name).write_text(json.dumps(content))
        words = [DSOPS, "sandbox", "serve", "--seed", "seed.yaml", "--port", "0"]
        with subprocess.Popen(
            words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as served:
            try:
                assert served.stdout is not None  # noqa: S101 - it is a pipe
                url = served.stdout.readline().strip()
                make_things(url)
                print(f"load average {os.getloadavg()[0]:.1f}\n\n| measurement | measured |\n|---|---|", flush=True)
                own = [sys.executable, __file__, "--guarded", url, "--rounds", str(rounds), "--megabytes"]
                run(folder, url, "--guard", "guard.json", "--", *own, str(megabytes))
                measure_start(folder, url, 2 * rounds + 1)
            finally:
                served.terminate()


def make_things(url: str) -> None:
    """Create the table and the bucket of the calls."""
    direct(url, "s3").create_bucket(Bucket="things")
    direct(url, "dynamodb").create_table(
        TableName="things",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
    )


def direct(url: str, service: str) -> Any:
    """A client of the sandbox."""
    import boto3

    return boto3.Session(*KEYS, region_name=REGION).client(service, endpoint_url=url)


def guarded(service: str) -> Any:
    """A client of the guard, in the guarded program."""
    import boto3

    return boto3.client(service, region_name=REGION)


def run(folder: str, url: str, *words: str) -> None:
    """Run `dsops exec` with these arguments."""
    own = {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": KEYS[0],
        "AWS_SECRET_ACCESS_KEY": KEYS[1],
        "AWS_REGION": REGION,
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "DSOPS_"))}
    environ = {**kept, **own, "HOME": folder, "DSOPS_CONFIG": "dsops.yaml", "DSOPS_NO_AGENT": "1"}
    subprocess.run([DSOPS, "exec", "--credentials", "dev", *words], cwd=folder, env=environ, check=True)


def timed(work: Callable[[], object]) -> float:
    """The seconds that a function takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def guard_seconds() -> float:
    """The CPU seconds of the guard so far: of the process that started this one."""
    fields = Path(f"/proc/{os.getppid()}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure_calls(url: str, number: int = 1000) -> None:
    """Print the rows about small calls."""
    clients = [direct(url, "dynamodb"), guarded("dynamodb")]

    def call(client: Any) -> None:
        client.get_item(TableName="things", Key={"id": {"S": "a"}})

    for client in clients * 50:
        call(client)
    began = guard_seconds()
    rounds = [[timed(lambda client=client: call(client)) for client in clients] for _ in range(number)]  # type: ignore[misc]
    seconds = guard_seconds() - began
    medians = [1_000 * statistics.median(column) for column in zip(*rounds, strict=True)]
    print(f"| added to a DynamoDB GetItem ({medians[0]:.1f} ms direct) | {medians[1] - medians[0]:.1f} ms |")
    print(f"| calls in a second of CPU time | {number / seconds:,.0f} |", flush=True)


def measure_transfers(url: str, rounds: int, size: int) -> None:
    """Print the rows about an upload and a download of one object of S3."""
    clients, body = [direct(url, "s3"), guarded("s3")], bytes(size)

    def upload(client: Any) -> None:
        client.put_object(Bucket="things", Key="big", Body=body)

    def download(client: Any) -> None:
        stream = client.get_object(Bucket="things", Key="big")["Body"]
        while stream.read(1_048_576):
            pass

    for name, work in (("upload", upload), ("download", download)):
        began = guard_seconds()
        pairs = [[timed(lambda client=client: work(client)) for client in clients] for _ in range(rounds)]  # type: ignore[misc]  # noqa: B023
        seconds, ratio = guard_seconds() - began, statistics.median(one / two for one, two in pairs)
        print(f"| {name} of {size / 1e9:g} GB: speed / speed of a direct one | {ratio:.2f} x |")
        print(f"| {name} of {size / 1e9:g} GB: CPU time of the guard | {seconds / rounds:.2f} s |", flush=True)


def measure_start(folder: str, url: str, rounds: int) -> None:
    """Print the row about the start."""
    ways = {"--serve": ["--serve"], "--guard": ["--guard", "guard.json"]}
    used: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, words in ways.items():
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            run(folder, url, *words, "--", "true")
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            used[name].append(1_000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime))
    served, guard = (statistics.median(used[name]) for name in ways)
    print(f"| CPU time of `exec --guard` and of `exec --serve` | {guard:.0f} ms and {served:.0f} ms |")


if __name__ == "__main__":
    main()
