"""Escalations carried out in the sandbox: those that the rules find, and one that the sandbox refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from dsops import cli
from dsops.access.escalations.find import Escalation
from dsops.access.facts.world import OrganizationFacts, PolicyDocument
from dsops.access_proof.calls import unproven_actions
from dsops.access_proof.prove import Prover
from dsops.testing.process import SandboxProcess
from tests.groups import nightly_rest
from tests.unit.access.test_escalation_rules import RULES, caller_arn, found, minimal_world
from tests.unit.access.worlds import ACCOUNT, policy

IAM = f"arn:aws:iam::{ACCOUNT}"
WHOLE = ["iam-001", "iam-002", "iam-005", *(f"iam-{number:03}" for number in range(7, 22)), "sts-001"]
"""The rules that are proven to their end: what was denied before succeeds after it."""
PART = ["iam-004", "lambda-001", "lambda-003", "lambda-004", "lambda-005", "lambda-006"]
"""The rules that are proven up to a sign-in, or up to the run of code."""


@pytest.fixture(scope="module")
def process() -> Iterator[SandboxProcess]:
    """The process of all sandboxes of this file."""
    with SandboxProcess() as started:
        yield started


def escalation_of(identifier: str) -> tuple[OrganizationFacts, Escalation]:
    """Return the minimal world of a rule, and the escalation in it."""
    world = minimal_world(RULES[identifier], RULES[identifier].needs)
    (escalation,) = found(RULES[identifier], world)
    return world, escalation


@pytest.mark.parametrize("identifier", nightly_rest(3, WHOLE, str))
def test_a_rule_is_proven_to_its_end(identifier: str, process: SandboxProcess) -> None:
    """A call that is denied to the principal succeeds after the calls of the rule."""
    world, escalation = escalation_of(identifier)
    proof = Prover(world, process).prove(escalation)

    assert ("proven", "iam:CreateGroup is denied before, and succeeds after it") == (proof.outcome, proof.why)
    of_group = [call.error for call in proof.calls if call.action == "iam:CreateGroup"]
    assert ["AccessDenied", ""] == of_group


@pytest.mark.parametrize("identifier", nightly_rest(3, PART, str))
def test_a_rule_is_proven_up_to_what_the_sandbox_does(identifier: str, process: SandboxProcess) -> None:
    """The calls succeed; the sandbox has no sign-in and runs no code, and the proof says so."""
    world, escalation = escalation_of(identifier)
    proof = Prover(world, process).prove(escalation)

    assert "proven" == proof.outcome
    assert proof.why.startswith("up to the use of what it made")


def test_other_rules_are_never_proven(process: SandboxProcess) -> None:
    """A rule with a call that the proof does not know is not provable, with the action as the reason."""
    others = [identifier for identifier in RULES if identifier not in {*WHOLE, *PART}]

    assert others
    for identifier in others:
        world, escalation = escalation_of(identifier)
        proof = Prover(world, process).prove(escalation)
        assert "not provable" == proof.outcome
        assert unproven_actions(escalation)[0] in proof.why


def test_a_way_that_does_not_exist_fails_with_its_call(process: SandboxProcess) -> None:
    """In a sandbox with a Deny that the facts lacked, the proof ends at the call that is refused."""
    world, escalation = escalation_of("iam-018")
    name = caller_arn(escalation.rule)
    denied = policy({"Effect": "Deny", "Action": "iam:CreateAccessKey"})
    low = world.identities[name]
    stopped = low._replace(policies=(*low.policies, PolicyDocument("deny", "identity", json.dumps(denied))))
    changed = world._replace(identities={**world.identities, name: stopped})
    proof = Prover(changed, process).prove(escalation)

    assert ("failed", "iam:CreateAccessKey: AccessDenied") == (proof.outcome, proof.why)
    assert ["iam:CreateGroup", "iam:PutUserPolicy", "iam:CreateAccessKey"] == [call.action for call in proof.calls]


def test_the_command_tells_the_proof(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """With --prove, the text and the JSON contain the outcome; a way that needs MFA is not tried."""
    mfa = {"Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}}
    seed = {
        "accounts": {
            ACCOUNT: {
                "users": {
                    "bob": {"policies": [policy({"Action": "iam:PutUserPolicy", "Resource": f"{IAM}:user/bob"})]},
                    "carol": {
                        "policies": [policy({"Action": "iam:PutUserPolicy", "Resource": f"{IAM}:user/carol", **mfa})]
                    },
                }
            }
        }
    }
    file = tmp_path / "seed.json"
    file.write_text(json.dumps(seed), encoding="utf-8")

    assert 0 == cli.main(["access", "escalations", "--prove", "--from", str(file)])
    out = capfd.readouterr().out
    assert "proven in the sandbox: iam:CreateGroup is denied before, and succeeds after it" in out
    assert "not provable here: the requests need aws:multifactorauthpresent" in out

    assert 0 == cli.main(["access", "escalations", "--prove", "--json", "--principal", "bob", "--from", str(file)])
    (principal,) = json.loads(capfd.readouterr().out)["principals"]
    (way,) = principal["escalations"]
    assert "proven" == way["proof"]["outcome"]
    assert {"principal": f"{IAM}:user/bob", "action": "iam:PutUserPolicy", "error": None} in way["proof"]["calls"]
