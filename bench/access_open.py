"""Ask about an organization in which every role trusts `*`: the worst input for questions about chains of roles.

    .venv/bin/python bench/access_open.py [--roles 10000 100000] [--accounts 100] [--question public]

The roles are divided among the accounts. Each may read one bucket of its account; one of ten may pass roles to a
function; one of a thousand is an administrator. Each question runs in a process of its own. Prints CPU seconds without
making the facts, the maximum resident set size with the facts, and what the answer says.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from dsops.access.escalations.find import Escalations  # noqa: E402 - the folder above is on the path only now
from dsops.access.escalations.table import ESCALATION_RULES  # noqa: E402
from dsops.access.facts.memory import without_collection  # noqa: E402
from dsops.access.facts.world import IamIdentity, MemberAccount, OrganizationFacts, PolicyDocument, Resource  # noqa: E402
from dsops.access.questions.assuming import Assumptions  # noqa: E402
from dsops.access.questions.caller import caller_of  # noqa: E402
from dsops.access.questions.evaluator import Evaluator  # noqa: E402
from dsops.access.questions.outside import public_uses  # noqa: E402
from dsops.access.questions.what_can import what_can  # noqa: E402
from dsops.access.questions.who_can import who_can  # noqa: E402


def open_world(roles: int, accounts: int) -> OrganizationFacts:
    """Return the facts of the organization."""
    identifiers = [f"{200_000_000_000 + number}" for number in range(accounts)]
    identities = {}
    for number in range(roles):
        role = _role(identifiers[number % accounts], number)
        identities[role.arn] = role
    for account in identifiers:
        arn = f"arn:aws:iam::{account}:user/ada"
        reads = _document(f"{arn}/own", {"Action": "s3:ListAllMyBuckets", "Resource": "*"})
        identities[arn] = IamIdentity(arn, "user", account, policies=(reads,))
    buckets = [Resource(f"arn:aws:s3:::open-{account}", account, kms_key="") for account in identifiers]
    return OrganizationFacts(
        {account: MemberAccount(account) for account in identifiers},
        identities,
        {bucket.arn: bucket for bucket in buckets},
    )


def _role(account: str, number: int) -> IamIdentity:
    arn = f"arn:aws:iam::{account}:role/r{number}"
    allowed: dict[str, object] = {"Action": "s3:GetObject", "Resource": f"arn:aws:s3:::open-{account}/*"}
    if number % 10 == 1:
        allowed = {"Action": ["iam:PassRole", "lambda:CreateFunction", "lambda:InvokeFunction"], "Resource": "*"}
    if number % 1000 == 2:
        allowed = {"Action": "*", "Resource": "*"}
    trust = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}],
        }
    )
    return IamIdentity(
        arn,
        "role",
        account,
        policies=(_document(f"{arn}/own", allowed),),
        trust=PolicyDocument(f"the trust policy of {arn}", "trust", trust),
    )


def _document(name: str, allowed: dict[str, object]) -> PolicyDocument:
    content = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **allowed}]}
    return PolicyDocument(name, "identity", json.dumps(content))


def _who_can(world: OrganizationFacts, evaluator: Evaluator, assumptions: Assumptions) -> str:
    bucket = next(iter(world.resources))
    answer = who_can(evaluator, assumptions, "s3:GetObject", f"{bucket}/0/x")
    return f"{len(answer.ways)} principals"


def _what_can(world: OrganizationFacts, evaluator: Evaluator, assumptions: Assumptions) -> str:
    user = next(each for each in world.identities.values() if each.kind == "user")
    answer = what_can(evaluator, assumptions, caller_of(user))
    return f"{len(answer.roles)} roles, {len(answer.uses)} uses"


def _public(_world: OrganizationFacts, evaluator: Evaluator, assumptions: Assumptions) -> str:
    return f"{len(public_uses(evaluator, assumptions))} uses"


def _escalations(world: OrganizationFacts, evaluator: Evaluator, assumptions: Assumptions) -> str:
    rules = [rule for rule in ESCALATION_RULES if rule.target != "assumed"]
    escalations = Escalations(evaluator, assumptions, rules)
    found = sum(1 for _ in escalations.find(world.identities.values()))
    return f"{found} ways, {len(escalations.left_out)} principals left out"


QUESTIONS = {"who-can": _who_can, "what-can": _what_can, "public": _public, "escalations": _escalations}


def measure(question: str, roles: int, accounts: int) -> None:
    """Ask one question and print what it costs."""
    with without_collection():
        world = open_world(roles, accounts)
    started = time.process_time()
    evaluator = Evaluator(world, datetime.now(UTC))
    answer = QUESTIONS[question](world, evaluator, Assumptions(evaluator))
    seconds = time.process_time() - started
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{roles:>7} roles  {question:<12} {seconds:7.1f} s CPU  {megabytes:>5} MB  {answer}", flush=True)


def main() -> None:
    """Measure each question about each size in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--roles", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--accounts", type=int, default=100)
    parser.add_argument("--question", nargs="+", choices=[*QUESTIONS], default=[*QUESTIONS])
    options = parser.parse_args()
    for roles in options.roles:
        for question in options.question:
            process = multiprocessing.Process(target=measure, args=(question, roles, options.accounts))
            process.start()
            process.join()
            if process.exitcode:
                raise SystemExit(process.exitcode)


if __name__ == "__main__":
    main()
