"""Compares dsops.policy with iam-simulate, an independent simulator, on generated policies and requests.

`make nightly` compares 20,000 requests and counts what decided them, `make test-clients` a tenth of that. Each
difference must be predicted by a reading in `iam_readings.py` and explained in
docs/explanation/differences-from-iam-simulate.md.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings

from dsops.policy import Policies, Policy, PolicyKind, Request, evaluate, parse_policy
from dsops.policy.language.operators import OPERATORS as ALL_OPERATORS
from tests.contract.iam_alphabet import OPERATORS, PRINCIPAL_FORMS, SET_KEYS
from tests.contract.iam_deciders import deciding, doubts
from tests.contract.iam_differences import EXAMPLES
from tests.contract.iam_generated import TOPICS, Topic, World, worlds
from tests.contract.iam_readings import READINGS, as_they_read
from tests.contract.iam_simulate.oracle import Oracle, installed
from tests.installed import OUTSIDE, ToolMissingError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.contract.iam_alphabet import Json

EVERYTHING = 20_000
ENOUGH = 100
REQUESTS_EACH = 8
SOME_WORLDS = 5
ALL_WORLDS = EVERYTHING // REQUESTS_EACH // len(TOPICS) + 5
PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "differences-from-iam-simulate.md"

TYPES = (
    "identity-based policy",
    "permissions boundary",
    "session policy",
    "service control policy",
    "resource control policy",
    "resource-based policy",
    "role trust policy",
)
ELEMENTS = ("Action", "NotAction", "Resource", "NotResource", "NotPrincipal")
MODIFIERS = ("IfExists", "ForAnyValue:", "ForAllValues:", "variable in Condition", "variable in Resource")
THEIR_WORDS = {"Allow": "Allowed", "ExplicitDeny": "ExplicitlyDenied", "ImplicitDeny": "ImplicitlyDenied"}
RCP_FULL_ACCESS = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}


@pytest.fixture(scope="module")
def oracle() -> Iterator[Oracle]:
    """The running iam-simulate; tests are skipped without node and npm."""
    try:
        folder = installed(OUTSIDE)
    except ToolMissingError as missing:
        pytest.skip(str(missing))
    with Oracle(folder) as program:
        yield program


# --- one question in the format of each program ---------------------------------------------------------------


def our_policies(world: World) -> Policies:
    """The world's documents for dsops.policy."""

    def read(document: Json, kind: PolicyKind) -> Policy:
        return parse_policy(json.dumps(document), kind, name=kind)

    full_access = read({"Version": "2012-10-17", "Statement": RCP_FULL_ACCESS}, "rcp")
    resource = world.resource_policy
    return Policies(
        identity=tuple(read(document, "identity") for document in world.identity),
        boundary=read(world.boundary[0], "boundary") if world.boundary else None,
        session=tuple((read(document, "session"),) for document in world.session),
        resource=read(resource[0], "trust" if world.is_trust else "resource") if resource else None,
        service_control=tuple(tuple(read(document, "scp") for document in level) for level in world.scp),
        resource_control=tuple((full_access, *(read(document, "rcp") for document in level)) for level in world.rcp),
        must_resource_allow=world.action.startswith("kms:"),
    )


def our_request(world: World, context: dict[str, list[str]]) -> Request:
    """One of the world's requests for dsops.policy."""
    values = {key: tuple(listed) for key, listed in context.items()}
    return Request(world.caller, world.action, world.resource, world.account, values)


def our_answer(world: World) -> str:
    """dsops.policy's answer for a world of one context."""
    return evaluate(our_request(world, world.contexts[0]), our_policies(world)).effect


def their_policies(world: World) -> Json:
    """The world's documents for iam-simulate."""

    def named(documents: list[Json], name: str) -> list[Json]:
        return [{"name": f"{name}-{index}", "policy": document} for index, document in enumerate(documents)]

    def levels(listed: list[list[Json]], name: str) -> list[Json]:
        return [
            {"orgIdentifier": f"ou-{index}", "policies": named(level, f"{name}-{index}")}
            for index, level in enumerate(listed)
        ]

    policies: dict[str, Json] = {
        "identityPolicies": named(world.identity, "identity"),
        "serviceControlPolicies": levels(world.scp, "scp"),
        "resourceControlPolicies": levels(world.rcp, "rcp"),
    }
    if world.boundary:
        policies["permissionBoundaryPolicies"] = named(world.boundary, "boundary")
    if world.session:
        policies["sessionPolicy"] = world.session[0]
    if world.resource_policy:
        policies["resourcePolicy"] = world.resource_policy[0]
    return policies


def their_requests(world: World) -> list[Json]:
    """The world's requests for iam-simulate."""
    return [
        {
            "principal": world.caller.arn or world.caller.federated or "anonymous",
            "action": world.action,
            "resource": {"resource": world.resource, "accountId": world.account},
            "contextVariables": {key: values if key in SET_KEYS else values[0] for key, values in context.items()},
        }
        for context in world.contexts
    ]


# --- comparison ---------------------------------------------------------------------------------------------


class Tally:
    """Counts requests, what decided them, and which readings explained differences."""

    def __init__(self) -> None:
        self.requests = 0
        self.allowed = 0
        self.decided: Counter[str] = Counter()
        self.told_apart: Counter[str] = Counter()

    def __str__(self) -> str:
        def lines(heading: str, names: tuple[str, ...], counted: Counter[str]) -> list[str]:
            return [f"  {heading}", *(f"    {counted[name]:6}  {name}" for name in names)]

        return "\n".join(
            [
                f"{self.requests} requests put to both, {self.allowed / self.requests:.0%} of them allowed; decided by",
                *lines("policy types", TYPES, self.decided),
                *lines("elements", ELEMENTS, self.decided),
                *lines("principals", tuple(PRINCIPAL_FORMS), self.decided),
                *lines("operators", OPERATORS, self.decided),
                *lines("modifiers", MODIFIERS, self.decided),
                *lines("differences that are written down", tuple(READINGS), self.told_apart),
            ]
        )


def explaining(world: World, theirs: Json) -> list[str]:
    """The readings that explain iam-simulate's answer to a world of one context; empty if none of them does."""
    if THEIR_WORDS.get(our_answer(as_they_read(world)), "") != theirs:
        return []
    alone = [name for name in READINGS if THEIR_WORDS[our_answer(as_they_read(world, name))] == theirs]
    return alone or ["several together"]


def compare(oracle: Oracle, world: World, tally: Tally) -> None:
    """Assert that both programs agree, or differ as predicted."""
    policies = our_policies(world)
    doubted = doubts(policies, world.caller)
    answers = oracle.ask(their_policies(world), their_requests(world))
    for context, theirs in zip(world.contexts, answers, strict=True):
        request = our_request(world, context)
        decision = evaluate(request, policies)
        tally.requests += 1
        tally.allowed += decision.is_allowed
        tally.decided.update(set(deciding(doubted, request)))
        if THEIR_WORDS[decision.effect] != theirs:
            reasons = explaining(world._replace(contexts=[context]), theirs)
            tally.told_apart.update(reasons)
            assert reasons, f"we say {decision.effect} by {decision.decided_by}, they {theirs}, to {context}"


def ask_about(topic: Topic, worlds_each: int, oracle: Oracle, tally: Tally) -> None:
    """Generate worlds around this topic, and compare both programs on them."""

    @settings(
        max_examples=worlds_each,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(worlds(topic, REQUESTS_EACH))
    def ask_both(world: World) -> None:
        compare(oracle, world, tally)

    ask_both()


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    "worlds_each",
    [pytest.param(SOME_WORLDS, marks=pytest.mark.clients), pytest.param(ALL_WORLDS, marks=pytest.mark.nightly)],
    ids=["some", "all"],
)
def test_iam_simulate_decides_alike_but_for_what_is_written_down(
    worlds_each: int, oracle: Oracle, capsys: pytest.CaptureFixture[str]
) -> None:
    """iam-simulate and dsops.policy decide alike, except for the documented differences."""
    tally = Tally()
    for topic in TOPICS:
        ask_about(topic, worlds_each, oracle, tally)
    if worlds_each < ALL_WORLDS:
        return
    with capsys.disabled():
        print(f"\n{tally}")
    assert tally.requests >= EVERYTHING
    assert tally.allowed >= 0.3 * tally.requests
    expected_values = (*TYPES, *ELEMENTS, *PRINCIPAL_FORMS, *OPERATORS, *MODIFIERS)
    assert [] == [f"{name}: {tally.decided[name]}" for name in expected_values if tally.decided[name] < ENOUGH]


@pytest.mark.parametrize("name", READINGS)
@pytest.mark.clients
def test_iam_simulate_differs_as_it_is_written_down(oracle: Oracle, name: str) -> None:
    """Each documented difference from iam-simulate still exists and is as described."""
    world = EXAMPLES[name]
    (theirs,) = oracle.ask(their_policies(world), their_requests(world))
    assert THEIR_WORDS[our_answer(world)] != theirs
    assert THEIR_WORDS[our_answer(as_they_read(world, name))] == theirs


def test_every_operator_is_generated() -> None:
    """The random policies contain every operator of dsops.policy."""
    assert set(ALL_OPERATORS) == set(OPERATORS)


def test_every_difference_is_written_down_with_awss_words() -> None:
    """Each known difference from iam-simulate has a section that quotes AWS, and vice versa."""
    sections = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    by_heading = {section.partition("\n")[0]: section for section in sections}
    assert [heading[0].lower() + heading[1:] for heading in by_heading] == [
        name[0].lower() + name[1:] for name in READINGS
    ]
    for section in by_heading.values():
        assert re.search(r"^> .+", section, flags=re.MULTILINE)
