"""Benchmark of dsops.policy: evaluations per second on one core, compared with iam-simulate.

1,000 policies and 1,000 distinct requests. Nothing but compiled policies is kept between evaluations: each starts
with a request whose context was not used before. CPU time, both programs in turn, the same pairs.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any, NamedTuple

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from bench.run import machine  # noqa: E402 - the folder above is on the path only now
from dsops.policy import Policies, Principal, Request, evaluate, parse_policy  # noqa: E402
from tests.contract.iam_simulate.oracle import installed  # noqa: E402
from tests.installed import ToolMissingError  # noqa: E402

Json = Any  # a JSON document
COUNT = 1000
EACH = 20
BIG = 100_000
ACCOUNT = "111122223333"
SERVICES = {
    "s3": (("GetObject", "PutObject", "DeleteObject", "GetObjectTagging"), "arn:aws:s3:::{name}/{path}"),
    "secretsmanager": (
        ("GetSecretValue", "DescribeSecret", "PutSecretValue"),
        f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:{{name}}/{{path}}",
    ),
    "sqs": (("SendMessage", "ReceiveMessage", "DeleteMessage"), f"arn:aws:sqs:us-east-1:{ACCOUNT}:{{name}}"),
    "dynamodb": (("GetItem", "PutItem", "Query"), f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/{{name}}"),
}
NAMES = [f"{team}-{stage}" for team in ("web", "data", "billing", "search", "mail") for stage in ("dev", "prod")]


class Work(NamedTuple):
    """Policies, requests, and pairs of their indexes, which both programs evaluate."""

    policies: list[Json]
    requests: list[Json]
    pairs: list[tuple[int, int]]


def make_work(seed: int) -> Work:
    """The same work for the same seed."""
    chance = random.Random(seed)  # noqa: S311 - the same work each time
    policies = [make_policy(chance) for _ in range(COUNT)]
    requests = [make_request(chance, number) for number in range(COUNT)]
    pairs = [(policy, chance.randrange(COUNT)) for policy in range(COUNT) for _ in range(EACH)]
    return Work(policies, requests, pairs)


def make_policy(chance: random.Random) -> Json:
    """A realistic identity policy of three to eight statements."""
    statements = [make_statement(chance, number) for number in range(chance.randint(3, 8))]
    return {"Version": "2012-10-17", "Statement": statements}


def make_statement(chance: random.Random, number: int) -> Json:
    """A statement: some actions of a service on some of its resources, two in three with a condition."""
    service = chance.choice(list(SERVICES))
    actions, resource = SERVICES[service]
    written = chance.sample(actions, chance.randint(1, len(actions)))
    if chance.random() < 0.3:
        written = [f"{service}:{written[0][:3]}*", f"{service}:List*"]
    else:
        written = [f"{service}:{action}" for action in written]
    resources = [
        resource.format(name=chance.choice([*NAMES, "*"]), path=chance.choice(["*", "config/*", "${aws:username}/*"]))
        for _ in range(chance.randint(1, 3))
    ]
    statement: dict[str, Json] = {
        "Sid": f"S{number}",
        "Effect": "Deny" if chance.random() < 0.2 else "Allow",
        "Action": written,
        "Resource": resources if chance.random() < 0.9 else "*",
    }
    if chance.random() < 0.66:
        statement["Condition"] = make_condition(chance)
    return statement


def make_condition(chance: random.Random) -> Json:
    """One or two of the most common conditions."""
    known_names: list[Json] = [
        {"StringEquals": {"aws:PrincipalTag/team": chance.sample(["web", "data", "billing", "search"], 2)}},
        {"StringLike": {"aws:userid": ["AIDA*", "AROA*:deploy-*"]}},
        {"Bool": {"aws:SecureTransport": "true"}},
        {"IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "192.0.2.0/24"]}},
        {"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:user/*/alice"}},
        {"NumericLessThan": {"aws:MultiFactorAuthAge": "3600"}},
        {"DateGreaterThan": {"aws:CurrentTime": "2026-01-01T00:00:00Z"}},
        {"StringNotEquals": {"aws:RequestedRegion": ["us-east-1", "eu-west-1"]}},
        {"ForAnyValue:StringEquals": {"aws:CalledVia": ["cloudformation.amazonaws.com"]}},
    ]
    collected: dict[str, Json] = {}
    for each in chance.sample(known_names, chance.randint(1, 2)):
        collected |= each
    return collected


def make_request(chance: random.Random, number: int) -> Json:
    """A unique request with the dozen context keys that AWS sets."""
    service = chance.choice(list(SERVICES))
    actions, resource = SERVICES[service]
    arn = resource.format(name=chance.choice(NAMES), path=chance.choice(["config/a.json", "alice/b", f"{number}/c"]))
    context: dict[str, Json] = {
        "aws:username": "alice",
        "aws:userid": f"AIDAEXAMPLE{number:010}",
        "aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:user/team/alice",
        "aws:PrincipalAccount": ACCOUNT,
        "aws:PrincipalType": "User",
        "aws:PrincipalTag/team": chance.choice(["web", "data", "billing", "search"]),
        "aws:SourceIp": f"{chance.choice([10, 192, 203])}.0.2.{number % 256}",
        "aws:CurrentTime": f"2026-0{1 + number % 9}-01T12:00:00Z",
        "aws:SecureTransport": "true",
        "aws:RequestedRegion": chance.choice(["us-east-1", "eu-west-1", "us-west-2"]),
        "aws:UserAgent": f"bench/{number}",
        "aws:ViaAWSService": "false",
    }
    if chance.random() < 0.5:
        context["aws:MultiFactorAuthAge"] = str(chance.randrange(7200))
    if chance.random() < 0.3:
        context["aws:CalledVia"] = ["cloudformation.amazonaws.com"]
    return {
        "principal": f"arn:aws:iam::{ACCOUNT}:user/team/alice",
        "action": f"{service}:{chance.choice(actions)}",
        "resource": {"resource": arn, "accountId": ACCOUNT},
        "contextVariables": context,
    }


class Ours(NamedTuple):
    """The work for dsops.policy: compiled policies, and requests as a server makes them."""

    policies: list[Policies]
    requests: list[Request]


def compiled(work: Work) -> Ours:
    """Compile the policies and make new requests."""
    policies = [Policies(identity=(parse_policy(json.dumps(request), "identity"),)) for request in work.policies]
    requests = []
    for request in work.requests:
        caller = Principal("user", ACCOUNT, request["principal"], unique_id="AIDAEXAMPLE")
        context = {
            key: tuple(value) if isinstance(value, list) else (value,)
            for key, value in request["contextVariables"].items()
        }
        requests.append(Request(caller, request["action"], request["resource"]["resource"], ACCOUNT, context))
    return Ours(policies, requests)


def run_ours(ours: Ours, pairs: list[tuple[int, int]]) -> tuple[float, str]:
    """CPU seconds, and the answers as one letter each."""
    policies, requests = ours
    letters = {"Allow": "A", "ExplicitDeny": "E", "ImplicitDeny": "I"}
    gc.collect()
    begin = process_time()
    answers = [letters[evaluate(requests[request], policies[policy]).effect] for policy, request in pairs]
    return process_time() - begin, "".join(answers)


def run_theirs(folder: Path, work_file: Path, mode: str) -> tuple[float, str]:
    """CPU seconds and answers of iam-simulate."""
    command = ["node", str(HERE / "with_iam_simulate.mjs"), str(folder), str(work_file), mode]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds, answers = done.stdout.split()
    return float(seconds), answers


MODES = {
    "plain": "`runSimulation`, as its README has it",
    "validated": "`runSimulation`, policies validated before",
    "unchecked": "`runUnsafeSimulation`, nothing checked",
}


def compare(work: Work, rounds: int, folder: Path) -> list[tuple[str, str, str]]:
    """Rows of the table: both programs on the same pairs, in turn."""
    ours = compiled(work)
    run_ours(ours, work.pairs[:2000])
    seconds: dict[str, list[float]] = {name: [] for name in ("ours", *MODES)}
    with tempfile.TemporaryDirectory() as name:
        work_file = Path(name) / "work.json"
        work_file.write_text(json.dumps(work._asdict()))
        for _ in range(rounds):
            taken, answers = run_ours(ours, work.pairs)
            seconds["ours"].append(taken)
            for mode in MODES:
                taken, theirs = run_theirs(folder, work_file, mode)
                seconds[mode].append(taken)
                if theirs != answers:
                    differing = sum(left != right for left, right in zip(theirs, answers, strict=True))
                    raise SystemExit(f"{differing} of {len(answers)} answers differ ({mode})")
    rate = {mode: len(work.pairs) / median(second) for mode, second in seconds.items()}
    rows = [("dsops.policy", f"{rate['ours']:,.0f} a second", "")]
    for mode, words in MODES.items():
        rows.append((f"iam-simulate, {words}", f"{rate[mode]:,.0f} a second", ""))
        rows.append(("  dsops.policy / that", f"{rate['ours'] / rate[mode]:.1f} x", "20 x" if mode == "plain" else ""))
    return rows


def everything(work: Work) -> tuple[str, str, str]:
    """All million pairs once."""
    ours = compiled(work)
    pairs = [(policy, request) for policy in range(COUNT) for request in range(COUNT)]
    taken, _ = run_ours(ours, pairs)
    return "dsops.policy, all 1,000 x 1,000", f"{len(pairs) / taken:,.0f} a second", ""


def big_policy(seed: int) -> tuple[str, str, str]:
    """Parse and compile a policy beyond AWS's size limit."""
    chance = random.Random(seed)  # noqa: S311 - the same work each time
    statements = [make_statement(chance, number) for number in range(BIG)]
    text = json.dumps({"Version": "2012-10-17", "Statement": statements})
    del statements
    # As on the command line: policies have no cycles for the garbage collector.
    gc.set_threshold(100_000, 10, 10)
    begin = process_time()
    parse_policy(text, "identity")
    return f"a policy of {BIG:,} statements ({len(text) / 1e6:.0f} MB), compiled", f"{process_time() - begin:.1f} s", ""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="measure dsops.policy beside iam-simulate")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is timed (5)")
    parser.add_argument("--seed", type=int, default=7, help="of the policies and requests (7)")
    options = parser.parse_args()
    work = make_work(options.seed)
    try:
        rows = compare(work, options.rounds, installed(os.environ))
    except ToolMissingError as missing:
        print(f"without iam-simulate: {missing}", file=sys.stderr)
        rows = []
    rows.append(everything(work))
    rows.append(big_policy(options.seed))
    print(f"{machine()}; CPU time, medians of {options.rounds} rounds\n")
    print("| | measured | at least |\n|---|---|---|")
    print("\n".join(f"| {name} | {value} | {limit} |" for name, value, limit in rows))


if __name__ == "__main__":
    main()
