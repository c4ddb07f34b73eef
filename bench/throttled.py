"""Benchmark of fifty roles at a sandbox that allows two STS calls a second: successes and total time.

    .venv/bin/python bench/throttled.py [--roles 50] [--rate 2]

Each role is assumed by its own process, all started at once: as clients of one agent, which share its rate limit, and
without an agent, where each adapts alone. The limit allows `rate` calls at once and `rate` more per second.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent)]

from bench.run import DSOPS, machine  # noqa: E402
from dsops.testing.child import SandboxKeeper  # noqa: E402
from dsops.testing.local_aws import LocalAws  # noqa: E402

SEED = """
throttle: {sts: %(rate)s}
accounts:
  "111111111111":
    users:
      ada:
        policies: [{Version: "2012-10-17", Statement: {Effect: Allow, Action: "sts:AssumeRole", Resource: "*"}}]
    roles:
"""
ROLE = """
      R%(number)s:
        trust:
          Version: "2012-10-17"
          Statement: {Effect: Allow, Principal: {AWS: "arn:aws:iam::111111111111:root"}, Action: sts:AssumeRole}
"""
STORE = '  r%(number)s: {type: aws.sts, role_arn: "arn:aws:iam::111111111111:role/R%(number)s"}\n'


class Measured(NamedTuple):
    """The outcome of all processes."""

    succeeded: int
    refused_calls: int
    call_seconds: float
    """From the first call to the last, by the sandbox's trail in whole seconds."""
    seconds: float
    """From the start of the first process to the end of the last."""


def run(roles: int, rate: float, *, with_agent: bool) -> Measured:
    """Start a process for each role and wait for all."""
    seed = SEED % {"rate": rate} + "".join(ROLE % {"number": number} for number in range(roles))
    config = "version: 1\ndefaults: {aws.sts: {region: us-east-1}}\nsecretStores:\n"
    config += "".join(STORE % {"number": number} for number in range(roles))
    folder = Path(tempfile.mkdtemp(prefix="dsops-"))
    (folder / "dsops.yaml").write_text(config)
    try:
        with LocalAws(SandboxKeeper().do, seed) as aws:
            environ = aws.user("ada").environment()
            environ |= {"XDG_RUNTIME_DIR": str(folder), "HOME": str(folder), "DSOPS_AUDIT": "off"}
            environ |= {} if with_agent else {"DSOPS_AGENT": "off"}
            begun = perf_counter()
            command = [DSOPS, "exec", "--config", "dsops.yaml", "--credentials"]
            children = [
                subprocess.Popen([*command, f"r{number}", "--", "true"], cwd=folder, env=environ)
                for number in range(roles)
            ]
            succeeded = sum(child.wait(120) == 0 for child in children)
            seconds = perf_counter() - begun
            subprocess.run([DSOPS, "agent", "stop"], cwd=folder, env=environ, check=False, capture_output=True)
            calls = [event for event in aws.events() if event["eventName"] == "AssumeRole"]
            refused = sum(event.get("errorCode") == "Throttling" for event in calls)
            times = sorted(datetime.fromisoformat(str(event["eventTime"])) for event in calls)
            return Measured(succeeded, refused, (times[-1] - times[0]).total_seconds(), seconds)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--roles", type=int, default=50)
    parser.add_argument("--rate", type=float, default=2.0)
    given = parser.parse_args()
    print(f"{machine()}; {given.roles} roles, {given.rate:g} calls a second\n")
    print("| | succeeded | refused calls | first to last call | the limit allows | with all starts |")
    print("|---|---|---|---|---|---|")
    least = max(0.0, given.roles - max(1.0, given.rate)) / given.rate
    for name, with_agent in (("one agent", True), ("no agent", False)):
        it = run(given.roles, given.rate, with_agent=with_agent)
        counts = f"{it.succeeded} of {given.roles} | {it.refused_calls}"
        print(f"| {name} | {counts} | {it.call_seconds:.0f} s | {least:.0f} s | {it.seconds:.1f} s |")


if __name__ == "__main__":
    main()
