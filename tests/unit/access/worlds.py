"""Small worlds for tests, from seeds."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from dsops.access.facts.files import read_facts
from dsops.access.facts.world import OrganizationFacts
from dsops.access.questions.assuming import Assumptions
from dsops.access.questions.evaluator import Evaluator
from dsops.access.questions.who_can import WhoCan, who_can

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
ACCOUNT, OTHER, FOREIGN = "111111111111", "222222222222", "999999999999"
READ = "secretsmanager:GetSecretValue"
SECRET = f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:prod/db-000000"


def policy(*statements: dict[str, Any]) -> dict[str, Any]:
    """Return a policy document. A statement without an effect is an Allow, one without a resource is for all."""
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Resource": "*", **each} for each in statements]}


def trust(principal: Any, action: str = "sts:AssumeRole", **conditions: Any) -> dict[str, Any]:
    """Return a trust policy with one Allow statement."""
    statement = {"Effect": "Allow", "Principal": principal, "Action": action}
    return {"Version": "2012-10-17", "Statement": statement | ({"Condition": conditions} if conditions else {})}


def world_of(accounts: dict[str, Any], **rest: Any) -> OrganizationFacts:
    """Return the world of a seed."""
    return read_facts(json.dumps({"accounts": accounts, **rest}), "seed.json", lambda _: "")


def ask(world: OrganizationFacts, action: str = READ, resource: str = SECRET) -> WhoCan:
    """Return who can do the action."""
    evaluator = Evaluator(world, NOW)
    return who_can(evaluator, Assumptions(evaluator), action, resource)


def ways_of(answer: WhoCan) -> dict[str, str]:
    """Return for each principal (without the seed's own admin) the verdict and the roles on its way."""
    return {
        _short(way.caller.name): " ".join([way.verdict, *(_short(step.resource) for step in way.steps[:-1])])
        for way in answer.ways
        if not way.caller.name.endswith(":user/admin")
    }


def _short(name: str) -> str:
    return name.split(":", 5)[5] if name.count(":") >= 5 else name
