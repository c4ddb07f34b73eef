"""What `dsops access` answers is what a request gets: sampled answers are asked of the sandbox by real calls.

The seeds are random: users and roles of two accounts that trust each other, with boundaries, control policies and
conditions. For each pair of a caller and a role, and for each caller and the secret, the answer is compared with a
signed request. `yes` and `conditional` must succeed, the latter with the context that the answer contains; `no` must
fail. No seed lets the secret's key decide, because `dsops access` does not ask about keys.
"""

from __future__ import annotations

import json
from collections import Counter
from contextlib import suppress
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dsops.access.questions.caller import caller_of
from dsops.access.questions.evaluator import AccessAnswer, Evaluator, Topic
from tests.groups import examples
from tests.sandboxes import Lab, Person, RefusedError
from tests.unit.access.random_seeds import ROLES, USERS, seeds
from tests.unit.access.worlds import ACCOUNT, NOW, READ, SECRET, world_of

CONDITIONS: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {},
        {},
        {},
        {"Condition": {"StringEquals": {"sts:ExternalId": "right-one"}}},
        {"Condition": {"StringLike": {"sts:RoleSessionName": "ada-*"}}},
        {"Condition": {"StringNotLike": {"sts:RoleSessionName": "ada-*"}}},
        {"Condition": {"IpAddress": {"aws:SourceIp": ["198.51.100.0/24"]}}},
        {"Condition": {"NotIpAddress": {"aws:SourceIp": ["198.51.100.0/24"]}}},
        {"Condition": {"StringEquals": {"aws:PrincipalAccount": ACCOUNT}}},
        {"Condition": {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/A"}}},
        {"Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}},
        {"Condition": {"StringEquals": {"secretsmanager:VersionStage": "AWSCURRENT"}}},
        {"Condition": {"Null": {"sts:ExternalId": "true"}}},
    ]
)
PARAMETERS = {"sts:externalid": "ExternalId", "sts:rolesessionname": "RoleSessionName"}
STAGE = "secretsmanager:versionstage"
PRODUCIBLE = {*PARAMETERS, "aws:sourceip", STAGE}
"""The condition keys that a test can put into a request; the others, such as MFA, need more than a request."""


def test_sampled_answers_are_what_requests_get() -> None:
    """Every answer for which a request can be made agrees with the sandbox, and all three verdicts occur."""
    counts: Counter[str] = Counter()

    @settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=examples(400))
    @given(seeds(CONDITIONS, needs_key=False))
    def holds(seed: dict[str, Any]) -> None:
        evaluator = Evaluator(world_of(**seed), NOW)
        lab = Lab.of(json.dumps(seed))
        for arn in USERS:
            _, _, _, _, account, name = arn.split(":")
            user = lab.user(name.removeprefix("user/"), account)
            counts.update(_compared(evaluator, arn, user))

    holds()
    assert min(counts[verdict] for verdict in ("yes", "conditional", "no")) > 0, counts
    assert sum(counts.values()) >= examples(400) * 20, counts


def _compared(evaluator: Evaluator, arn: str, person: Person) -> list[str]:
    """Compare the answers for a user with requests, and those for the sessions of the roles that it assumes."""
    verdicts = [_read(evaluator, arn, person)]
    for role in ROLES:
        answer = evaluator.ask(caller_of(evaluator.world.identities[arn]), Topic("sts:AssumeRole", role))
        session = _assume(answer, role, person)
        verdicts.append(answer.verdict if _can_be_made(answer) else "not asked")
        if session is not None:
            verdicts.append(_read(evaluator, role, session))
    return [verdict for verdict in verdicts if verdict != "not asked"]


def _assume(answer: AccessAnswer, role: str, person: Person) -> Person | None:
    """Send the request that the answer contains; the session if it is allowed."""
    if not _can_be_made(answer):
        return None
    parameters = {PARAMETERS[key]: values[0] for key, values in answer.needed.items() if key in PARAMETERS}
    name = parameters.pop("RoleSessionName", "session")
    caller = _from(person, answer)
    session: Person | None = None
    with suppress(RefusedError):
        session = caller.assume(role, name, **parameters)
    assert answer.is_possible == (session is not None), answer
    return Person(person.lab, session.keys) if session is not None else None


def _read(evaluator: Evaluator, arn: str, person: Person) -> str:
    answer = evaluator.ask(caller_of(evaluator.world.identities[arn]), Topic(READ, SECRET))
    if not _can_be_made(answer):
        return "not asked"
    stage = {"VersionStage": answer.needed[STAGE][0]} if STAGE in answer.needed else {}
    try:
        identifier = f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:prod/db"
        _from(person, answer).call("secretsmanager", "GetSecretValue", SecretId=identifier, **stage)
    except RefusedError as refused:
        is_allowed = refused.code == "ResourceNotFoundException"  # a stage that no version has
    else:
        is_allowed = True
    assert is_allowed == answer.is_possible, answer
    return answer.verdict


def _can_be_made(answer: AccessAnswer) -> bool:
    return answer.verdict != "unknown" and answer.needed.keys() <= PRODUCIBLE


def _from(person: Person, answer: AccessAnswer) -> Person:
    """Return the caller at the address that the answer needs."""
    address = answer.needed.get("aws:sourceip", ("203.0.113.9",))[0]
    return Person(person.lab, person.keys, person.region, address)
