"""`dsops doctor` on twenty stores, one of them slow: how much longer than that one by itself.

    .venv/bin/python bench/doctor.py [--rounds 5] [--slow-ms 500] [--quick-ms 50]

Each store has a role and a secret of its own, and two stubs play AWS, one of them slow. What counts is the wall time of
whole processes: doctor with all the stores beside `dsops exec` that reads the slow store alone.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from urllib.request import urlopen

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent)]

from bench.run import DSOPS, Case, allow, dsops_exec, environment, machine, measure, stub, wall  # noqa: E402

BOUND = 1.5
STORE = """\
  role-{number}: {{type: aws.sts, region: us-east-1, role_arn: "arn:aws:iam::123456789012:role/R{number}",
    role_session_name: bench, endpoint_url: "{address}"}}
  secrets-{number}: {{type: aws.secretsmanager, region: us-east-1, credentials_from: role-{number},
    endpoint_url: "{address}"}}
"""
VARIABLE = "    SECRET_{number}: {{from: {{store: secrets-{number}, key: bench/{number}}}}}\n"


def write_config(folder: Path, addresses: list[str]) -> Path:
    """A project folder with a store at each of these addresses."""
    folder.mkdir()
    stores = [STORE.format(number=number, address=address) for number, address in enumerate(addresses)]
    variables = [VARIABLE.format(number=number) for number in range(len(addresses))]
    text = f"version: 1\nsecretStores:\n{''.join(stores)}envs:\n  production:\n{''.join(variables)}"
    (folder / "dsops.yaml").write_text(text)
    return folder


def calls(address: str) -> str:
    """The calls counted by this stub, as JSON."""
    with urlopen(f"{address}/counts", timeout=10) as answer:
        text: str = answer.read().decode()
    return text


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--stores", type=int, default=20)
    parser.add_argument("--slow-ms", type=float, default=500)
    parser.add_argument("--quick-ms", type=float, default=50)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as base,
        stub(delay_ms=options.slow_ms, batch="allowed") as slow,
        stub(delay_ms=options.quick_ms, batch="allowed") as quick,
    ):
        home = Path(base) / "home"
        home.mkdir()
        many = write_config(Path(base) / "many", [slow, *[quick] * (options.stores - 1)])
        one = write_config(Path(base) / "one", [slow])
        environ = environment(home, quick)
        for folder in (many, one):
            allow(folder, environ)
        doctor = [DSOPS, "doctor", "--env", "production"]
        runs = measure(
            [
                Case("doctor", doctor, many, environ),
                Case("doctor of one", doctor, one, environ),
                dsops_exec("exec of one", one, environ),
            ],
            options.rounds,
        )
        request_asked = calls(quick)
    ms = {name: wall(run) for name, run in runs.items()}
    ratio = ms["doctor"] / ms["exec of one"]
    print(f"{machine()}, medians of {options.rounds} rounds\n\n| | measured | at most |\n|---|---|---|")
    print(f"| `dsops exec`, the slow store alone, {options.slow_ms:.0f} ms a request | {ms['exec of one']:,.0f} ms | |")
    print(f"| `dsops doctor`, that store alone | {ms['doctor of one']:,.0f} ms | |")
    others = f"{options.stores} stores, the others {options.quick_ms:.0f} ms"
    print(f"| `dsops doctor`, {others} | {ms['doctor']:,.0f} ms | |")
    print(f"| doctor of all / exec of the slowest | {ratio:.2f} x | {BOUND} x |")
    print(f"\nthe quick stub was asked for {request_asked}")


if __name__ == "__main__":
    main()
