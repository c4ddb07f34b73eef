"""Find all escalations of a made-up organization whose answers are known.

    .venv/bin/python bench/escalations.py --accounts 100 1000

Each account has 10 roles, 5 users, 20 functions and 37 policies. Two roles of each account can become an administrator
(one passes a role to Lambda, one makes access keys), and one has a condition that stops it. Prints CPU seconds and the
maximum resident set size; exits with 1 for a wrong answer.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import time
from collections.abc import Mapping
from datetime import UTC, datetime

from dsops.access.escalations.find import Escalations
from dsops.access.escalations.table import ESCALATION_RULES
from dsops.access.facts.world import IamIdentity, MemberAccount, OrganizationFacts, PolicyDocument, Resource
from dsops.access.questions.assuming import Assumptions
from dsops.access.questions.evaluator import Evaluator

ROLES, USERS, FUNCTIONS = 10, 5, 20
Statement = Mapping[str, object]


def text(*statements: Statement) -> str:
    """Return a policy in JSON."""
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **each} for each in statements]})


def trust(principal: dict[str, str]) -> PolicyDocument:
    """Return a trust policy."""
    return PolicyDocument("trust", "trust", text({"Principal": principal, "Action": "sts:AssumeRole"}))


class Account:
    """One account with its identities and functions."""

    def __init__(self, number: int) -> None:
        self.identifier = f"{100_000_000_000 + number}"
        self.iam = f"arn:aws:iam::{self.identifier}"
        read = {"Action": ["s3:Get*", "s3:List*", "ec2:Describe*", "cloudwatch:*"], "Resource": "*"}
        self.shared = (self.policy("read", read), self.policy("logs", {"Action": "logs:Put*", "Resource": "*"}))

    def policy(self, name: str, *statements: Statement) -> PolicyDocument:
        """Return a customer managed policy."""
        return PolicyDocument(f"{self.iam}:policy/{name}", "identity", text(*statements))

    def identities(self) -> list[IamIdentity]:
        """Return the users and roles; `Keys` and `Deploy` become an administrator, `Mfa` does not."""
        named: dict[str, tuple[Statement, dict[str, str]]] = {
            "Admin": ({"Action": "*", "Resource": "*"}, {"Service": "lambda.amazonaws.com"}),
            "Deploy": ({"Action": ["iam:PassRole", "lambda:*"], "Resource": "*"}, {"AWS": f"{self.iam}:root"}),
            "Keys": ({"Action": "iam:CreateAccessKey", "Resource": f"{self.iam}:user/boss"}, {"AWS": self.identifier}),
            "Stopped": (
                {
                    "Action": ["iam:PassRole", "lambda:CreateFunction", "lambda:InvokeFunction"],
                    "Resource": "*",
                    "Condition": {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}},
                },
                {"Service": "ec2.amazonaws.com"},
            ),
        }
        roles = [self.role(name, trusted, statement) for name, (statement, trusted) in named.items()]
        for number in range(ROLES - len(named)):
            table = f"arn:aws:dynamodb:*:{self.identifier}:table/t{number}"
            own = {"Action": ["dynamodb:GetItem", "dynamodb:Query"], "Resource": table}
            roles.append(self.role(f"App{number}", {"Service": "ecs-tasks.amazonaws.com"}, own))
        everything = self.policy("boss", {"Action": "*", "Resource": "*"})
        users = [IamIdentity(f"{self.iam}:user/boss", "user", self.identifier, policies=(everything,))]
        for number in range(USERS - 1):
            own_keys = {"Action": "iam:*AccessKey*", "Resource": f"{self.iam}:user/${{aws:username}}"}
            policies = (*self.shared, self.policy(f"user{number}", own_keys))
            users.append(IamIdentity(f"{self.iam}:user/user{number}", "user", self.identifier, policies=policies))
        return [*roles, *users]

    def role(self, name: str, trusted: dict[str, str], statement: Statement) -> IamIdentity:
        """Return a role with the shared policies and three policies of its own."""
        bucket = {"Action": ["s3:GetObject", "s3:PutObject"], "Resource": f"arn:aws:s3:::{self.identifier}-{name}/*"}
        queue = {"Action": "sqs:SendMessage", "Resource": f"arn:aws:sqs:*:{self.identifier}:{name}"}
        own = (self.policy(name, statement), self.policy(f"{name}-bucket", bucket), self.policy(f"{name}-queue", queue))
        arn = f"{self.iam}:role/{name}"
        return IamIdentity(arn, "role", self.identifier, policies=(*self.shared, *own), trust=trust(trusted))

    def functions(self) -> list[Resource]:
        """Return functions that run with the roles of apps."""
        prefix = f"arn:aws:lambda:eu-west-1:{self.identifier}:function"
        return [
            Resource(f"{prefix}:f{number}", self.identifier, role=f"{self.iam}:role/App{number % 6}")
            for number in range(FUNCTIONS)
        ]


def world_of(count: int) -> OrganizationFacts:
    """Return an organization with that many accounts."""
    accounts = [Account(number) for number in range(count)]
    full = PolicyDocument("full", "scp", text({"Action": "*", "Resource": "*"}))
    return OrganizationFacts(
        {
            each.identifier: MemberAccount(
                each.identifier, organization_id="o-bench", service_control=((full,), (full,))
            )
            for each in accounts
        },
        {identity.arn: identity for each in accounts for identity in each.identities()},
        {function.arn: function for each in accounts for function in each.functions()},
    )


def measure(count: int) -> None:
    """Find all escalations, check the answers, and print the cost."""
    world = world_of(count)
    policies = {document.name for identity in world.identities.values() for document in identity.policies}
    started = time.process_time()
    evaluator = Evaluator(world, datetime(2026, 11, 28, tzinfo=UTC))
    rules = [rule for rule in ESCALATION_RULES if rule.target != "assumed"]
    found = [*Escalations(evaluator, Assumptions(evaluator), rules).find(world.identities.values())]
    seconds = time.process_time() - started
    administrators = {each.caller.name for each in found if each.gain.is_administrator}
    expected = {arn for arn in world.identities if arn.endswith(("role/Deploy", "role/Keys"))}
    if expected != administrators:
        raise SystemExit(f"wrong answers: {sorted(expected ^ administrators)[:10]}")
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(
        f"{count:>6} accounts  {len(world.identities):>6} users and roles  {len(policies):>6} policies"
        f"  {len(found):>6} ways  {seconds:7.1f} s CPU  {megabytes:>5} MB"
    )


def main() -> None:
    """Measure each number of accounts in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, nargs="+", default=[10, 100, 1000])
    for count in parser.parse_args().accounts:
        process = multiprocessing.Process(target=measure, args=(count,))
        process.start()
        process.join()
        if process.exitcode:
            raise SystemExit(process.exitcode)


if __name__ == "__main__":
    main()
