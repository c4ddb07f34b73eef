"""Benchmark of `dsops import sso`: 300 accounts with four permission sets each, against the sandbox.

    .venv/bin/python bench/import_sso.py [--accounts 300] [--sets 4] [--delay-ms 100] [--rounds 3]

Each round imports twice: into an empty home, and again with nothing new. With `--delay-ms`, a link in front of the
sandbox holds each answer back. The sandbox is a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from time import perf_counter

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent)]

from bench.run import DSOPS, machine  # noqa: E402
from tests.stubs.slow_link import slow_link  # noqa: E402

URL, REGION = "https://d-1234567890.awsapps.com/start", "us-east-1"
LIMIT_SECONDS = 10


def seed(accounts: int, sets: int) -> str:
    """A seed in which one user has all permission sets in all accounts."""
    ids = [f"{100_000_000_000 + number}" for number in range(accounts)]
    names = [f"Set{number}" for number in range(sets)]
    return json.dumps(
        {
            "accounts": {account: {} for account in ids},
            "identity_center": {
                "start_url": URL,
                "users": {"alice": {}},
                "auto_approve": "alice",
                "permission_sets": {name: {} for name in names},
                "assignments": [
                    {"account": account, "permission_set": name, "users": ["alice"]}
                    for account in ids
                    for name in names
                ],
            },
        }
    )


def measure(environ: Mapping[str, str], address: str, stores: int, rounds: int) -> list[tuple[float, float]]:
    """The seconds of a first and of a second import, for each round."""
    home = Path(environ["HOME"])
    times = []
    for _ in range(rounds):
        (home / ".config" / "dsops" / "dsops.yaml").unlink(missing_ok=True)
        pair = []
        for _ in range(2):
            begun = perf_counter()
            done = subprocess.run(
                [DSOPS, "import", "sso", "--json"],
                env={**environ, "AWS_ENDPOINT_URL_SSO": address},
                cwd=home,
                capture_output=True,
                check=True,
            )
            pair.append(perf_counter() - begun)
            answer = json.loads(done.stdout)
            if len(answer["added"]) + len(answer["kept"]) != stores:
                raise SystemExit(f"the import does not have {stores} stores")
        times.append((pair[0], pair[1]))
    return times


def main() -> None:
    """Start a sandbox, log in, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--accounts", type=int, default=300)
    parser.add_argument("--sets", type=int, default=4)
    parser.add_argument("--delay-ms", type=float, default=100.0)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if "DSOPS_BENCH_INSIDE" in os.environ:
        inside(options)
        return
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "seed.yaml").write_text(seed(options.accounts, options.sets))
        command = [DSOPS, "sandbox", "run", "--seed", f"{name}/seed.yaml", "--", sys.executable, *sys.argv]
        subprocess.run(command, env={**os.environ, "DSOPS_BENCH_INSIDE": name}, check=True)


def inside(options: argparse.Namespace) -> None:
    """Measure in the environment of a running sandbox."""
    home = os.environ["DSOPS_BENCH_INSIDE"]
    files = {"AWS_CONFIG_FILE": f"{home}/.aws/config", "AWS_SHARED_CREDENTIALS_FILE": f"{home}/.aws/credentials"}
    environ = {**os.environ, **files, "HOME": home, "DSOPS_AGENT": "off"}
    login = [DSOPS, "login", "--device", "--start-url", URL, "--sso-region", REGION]
    subprocess.run(login, env=environ, cwd=home, capture_output=True, check=True)
    stores = options.accounts * options.sets
    print(machine())
    print(f"\n| {options.accounts} accounts, {stores} stores | first import | second import | at most |")
    print("|---|---|---|---|")
    address = environ["AWS_ENDPOINT_URL"]
    with slow_link(int(address.rpartition(":")[2]), options.delay_ms / 1000) as slow:
        for title, url in (("without delay", address), (f"{options.delay_ms:g} ms for each answer", slow)):
            times = measure(environ, url, stores, options.rounds)
            first, second = (median(column) for column in zip(*times, strict=True))
            print(f"| {title} | {first:.1f} s | {second:.1f} s | {LIMIT_SECONDS} s |")


if __name__ == "__main__":
    main()
