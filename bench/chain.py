"""Benchmark of a chain of three roles with four stores in two regions, and of `credential_process`.

    .venv/bin/python bench/chain.py [--rounds 15]

The chain runs over TLS and `far.py`, each service of each region at its own address, as at AWS; the AWS CLI of the
last rows has no network delay. The limits are a number of round trips, a fifth on top of them, and the start-up,
which the same run without delay measures.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import NamedTuple

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent)]

from bench.agent import RTT_MS, Lab, case, far, laboratory, process  # noqa: E402
from bench.run import DSOPS, Case, Run, machine, measure, wall  # noqa: E402

ROUND_TRIPS = 6
"""Round trips of the longest path: TCP, TLS, three roles in sequence, and one read on a prepared connection."""

CONFIG = """\
version: 1
secretStores:
  jump:
    type: aws.sts
    region: us-east-1
    endpoint_url: {sts-us}
    role_arn: arn:aws:iam::111111111111:role/Jump
    role_session_name: bench
  middle:
    type: aws.sts
    region: us-east-1
    endpoint_url: {sts-us}
    role_arn: arn:aws:iam::111111111111:role/Middle
    role_session_name: bench
    credentials_from: jump
"""
ACCOUNT = """\
  role-{place}:
    type: aws.sts
    region: {region}
    endpoint_url: {sts}
    role_arn: arn:aws:iam::{account}:role/Target
    role_session_name: bench
    credentials_from: middle
  {place}-one: &{place}
    type: aws.secretsmanager
    region: {region}
    endpoint_url: {secrets}
    credentials_from: role-{place}
  {place}-two: *{place}
"""
STORES = ("us-one", "us-two", "eu-one", "eu-two")


class Way(NamedTuple):
    """The addresses of four services."""

    sts_us: str
    sts_eu: str
    secrets_us: str
    secrets_eu: str


@contextmanager
def ways(lab: Lab, *, is_far: bool) -> Iterator[Way]:
    """Four services of two regions, each at its own address."""
    with ExitStack() as stack:
        certificate = str(lab.base / "server.pem")
        near = (str(HERE / "stub.py"), "--certificate", certificate)
        yield Way(*[stack.enter_context(far(lab.base) if is_far else process(*near)) for _ in Way._fields])


def write_chain(folder: Path, way: Way, stores: tuple[str, ...]) -> Path:
    """A project folder with the chain; its production environment reads one secret of each of these stores."""
    folder.mkdir()
    accounts = (
        ACCOUNT.format(place="us", region="us-east-1", account="222222222222", sts=way.sts_us, secrets=way.secrets_us),
        ACCOUNT.format(place="eu", region="eu-west-1", account="333333333333", sts=way.sts_eu, secrets=way.secrets_eu),
    )
    variables = [
        f"    SECRET_{number}: {{from: {{store: {store}, key: bench/{number:03}}}}}\n"
        for number, store in enumerate(stores)
    ]
    text = CONFIG.replace("{sts-us}", way.sts_us) + "".join(accounts) + "envs:\n  production:\n" + "".join(variables)
    (folder / "dsops.yaml").write_text(text)
    return folder


def chain(lab: Lab, rounds: int) -> dict[str, list[Run]]:
    """Cold runs of the chain and of its parts, with and without network delay."""
    environ = lab.environ("", agent=False)
    with ways(lab, is_far=True) as way, ways(lab, is_far=False) as near:
        folders = {
            "all far": write_chain(lab.base / "all-far", way, STORES),
            "us far": write_chain(lab.base / "us-far", way, STORES[:1]),
            "eu far": write_chain(lab.base / "eu-far", way, STORES[-1:]),
            "all near": write_chain(lab.base / "all-near", near, STORES),
        }
        return measure([case(name, folder, environ, "--no-agent") for name, folder in folders.items()], rounds)


def command_line(lab: Lab, rounds: int) -> dict[str, list[Run]]:
    """The AWS CLI with keys in its environment, and with keys from a warm `dsops credentials`, in turn."""
    aws = shutil.which("aws")
    if not aws:
        return {}
    home = lab.base / "home"
    (home / ".aws").mkdir(exist_ok=True)
    command = f"{DSOPS} --config {lab.one / 'dsops.yaml'} credentials aws-sts-prod --format process"
    profile = f"[profile through]\nregion = us-east-1\ncredential_process = {command}\n"
    (home / ".aws" / "config").write_text(profile)
    read = [aws, "secretsmanager", "get-secret-value", "--secret-id", "bench/000"]
    with process(str(HERE / "stub.py")) as address:
        lab.stop()
        environ = {**lab.environ(address), "AWS_DEFAULT_REGION": "us-east-1"}
        # The AWS CLI passes its environment to its credential_process, which signs with these keys.
        cases = [
            Case("keys", read, home, environ),
            Case("process", [*read, "--profile", "through"], home, environ),
            Case("dsops", command.split(), home, environ),
        ]
        return measure(cases, rounds)


def added(longer: Sequence[Run], shorter: Sequence[Run]) -> float:
    """Milliseconds by which one command takes longer: the median of pairs that ran in turn."""
    return median([long.wall_ms - short.wall_ms for long, short in zip(longer, shorter, strict=True)])


def report(runs: Mapping[str, list[Run]], commands: Mapping[str, list[Run]], rounds: int) -> str:
    """The table in Markdown."""
    ms = {name: wall(value) for name, value in {**runs, **commands}.items()}
    trips = ROUND_TRIPS * RTT_MS
    bound = f"1.2 x {trips} + {ms['all near']:.0f} = {1.2 * trips + ms['all near']:.0f} ms"
    on_the_way = added(runs["all far"], runs["all near"]) / RTT_MS
    rows = [
        ("3 roles, 4 stores, 2 regions, 2 accounts", f"{ms['all far']:.0f} ms", bound),
        ("  less the start-up, in round trips", f"{on_the_way:.1f}", f"1.2 x {ROUND_TRIPS}"),
        ("  the start-up: the same, nothing in the way", f"{ms['all near']:.0f} ms", ""),
        ("  1 of the 4 stores, near the first role", f"{ms['us far']:.0f} ms", ""),
        ("  1 of the 4 stores, in the other region", f"{ms['eu far']:.0f} ms", ""),
    ]
    if commands:
        rows += [
            ("AWS CLI, 1 secret, keys in the environment", f"{ms['keys']:.0f} ms", ""),
            ("  the same, `credential_process = dsops credentials ...`, warm", f"{ms['process']:.0f} ms", ""),
            ("  added", f"{added(commands['process'], commands['keys']):.0f} ms", "60 ms"),
            ("  `dsops credentials ...` by itself, warm", f"{ms['dsops']:.0f} ms", ""),
        ]
    lines = [f"{machine()}; medians of {rounds} rounds", "", "| | measured | at most |", "|---|---|---|"]
    return "\n".join(lines + [f"| {name} | {value} | {limit} |" for name, value, limit in rows])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="measure a chain of roles, and dsops as a credential_process")
    parser.add_argument("--rounds", type=int, default=15, help="how often each command is timed (15)")
    options = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with laboratory() as lab:
        runs = chain(lab, options.rounds)
        commands = command_line(lab, options.rounds)
    print(report(runs, commands, options.rounds))


if __name__ == "__main__":
    main()
