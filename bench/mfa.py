"""Benchmark of twenty roles behind one MFA device, each in its own environment: codes, calls and times.

    .venv/bin/python bench/mfa.py [--roles 20]

Every run is a new process; they share the agent. The sandbox accepts each code once, and its trail is counted.
Without an agent each run would take a code and half a minute.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent)]

from bench.run import DSOPS, allow, machine  # noqa: E402
from dsops.testing.child import SandboxKeeper  # noqa: E402
from dsops.testing.local_aws import LocalAws  # noqa: E402

DEVICE = "arn:aws:iam::111111111111:mfa/ada"
SEED = """
accounts:
  "111111111111":
    users:
      ada:
        mfa: {name: ada}
        policies: [{Version: "2012-10-17", Statement: {Effect: Allow, Action: "sts:AssumeRole", Resource: "*"}}]
    secrets: {prod/token: invented}
    roles:
"""
ROLE = """
      R%(number)s:
        trust:
          Version: "2012-10-17"
          Statement:
            Effect: Allow
            Principal: {AWS: "arn:aws:iam::111111111111:root"}
            Action: sts:AssumeRole
            Condition: {Bool: {"aws:MultiFactorAuthPresent": "true"}}
        policies:
          - Version: "2012-10-17"
            Statement: {Effect: Allow, Action: "secretsmanager:GetSecretValue", Resource: "*"}
"""
STORES = """
  r%(number)s: {type: aws.sts, role_arn: "arn:aws:iam::111111111111:role/R%(number)s", serial_number: "%(device)s",
    token_code: "${MFA_TOKEN}"}
  s%(number)s: {type: aws.secretsmanager, credentials_from: r%(number)s}
"""
ENVIRONMENT = "  e%(number)s: {TOKEN: {from: {store: s%(number)s, key: prod/token}}}\n"


def run(roles: int) -> tuple[dict[str, int], int, list[float]]:
    """Calls by operation, codes used, and milliseconds of each run."""
    numbers = range(roles)
    seed = SEED + "".join(ROLE % {"number": number} for number in numbers)
    config = "version: 1\ndefaults: {aws.sts: {region: us-east-1}, aws.secretsmanager: {region: us-east-1}}\n"
    config += "secretStores:" + "".join(STORES % {"number": number, "device": DEVICE} for number in numbers)
    config += "envs:\n" + "".join(ENVIRONMENT % {"number": number} for number in numbers)
    folder = Path(tempfile.mkdtemp(prefix="dsops-"))
    (folder / "dsops.yaml").write_text(config)
    codes, times = 0, []
    with LocalAws(SandboxKeeper().do, seed) as sandbox:
        environ = {
            **sandbox.environment("ada@111111111111", {}),
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(folder),
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        try:
            allow(folder, environ)
            for number in numbers:
                given = {} if codes else {"MFA_TOKEN": sandbox.totp(DEVICE)}
                codes += len(given)
                start = perf_counter()
                command = [DSOPS, "exec", "--env", f"e{number}", "--", "printenv", "TOKEN"]
                done = subprocess.run(
                    command,
                    cwd=folder,
                    env={**environ, **given},
                    capture_output=True,
                    text=True,
                    check=False,
                    timeout=60,
                    stdin=subprocess.DEVNULL,
                )
                times.append((perf_counter() - start) * 1000)
                if done.stdout != "invented\n":
                    raise SystemExit(done.stderr)
        finally:
            subprocess.run([DSOPS, "agent", "stop"], env=environ, cwd=folder, capture_output=True, check=False)
            shutil.rmtree(folder, ignore_errors=True)
        called = [event["eventName"] for event in sandbox.events()]
    return {name: called.count(name) for name in dict.fromkeys(called)}, codes, times


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--roles", type=int, default=20)
    roles = parser.parse_args().roles
    calls, codes, times = run(roles)
    print(f"{machine()}\n\n| {roles} roles, {roles} runs, one device | measured | bound |\n|---|---|---|")
    print(f"| codes | {codes} | 1 |")
    print(f"| GetSessionToken | {calls.get('GetSessionToken', 0)} | 1 |")
    print(f"| AssumeRole | {calls.get('AssumeRole', 0)} | {roles} |")
    print(f"| the first run, with the agent's start | {times[0]:.0f} ms | |")
    print(f"| each further run | {median(times[1:]):.0f} ms | |")


if __name__ == "__main__":
    main()
