"""Each set-up works, and each change breaks it at the stated place, with the error that AWS would give.

This checks the test data: the sandbox's internal decision, which `dsops explain` never sees, names the policy that
refuses.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.explain.build import built
from tests.explain.set_up import Fault, SetUp, faults, working
from tests.groups import one_in

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

WORKING = working()
FAULTS = list(faults())

NO_ROLE = "no role has this ARN"
"""The reason in the sandbox's record, which its answer does not contain."""

SECRETS = {"aws.secretsmanager": "secretsmanager:", "aws.ssm": "ssm:"}

DECIDED_BY = {
    "identity": "identity-based policy",
    "boundary": "permissions boundary",
    "session": "session policy",
    "trust": "role trust policy",
    "resource": "resource-based policy",
    "scp": "service control policy",
    "rcp": "resource control policy",
}


@pytest.mark.parametrize("set_up", WORKING.values(), ids=WORKING)
def test_a_set_up_works(set_up: SetUp, tmp_path: Path) -> None:
    """Each set-up gives every variable of the environment a value."""
    with built(set_up, tmp_path / "project") as found:
        assert found.error() is None


@pytest.mark.parametrize("fault", one_in(3, FAULTS, lambda fault: fault.broken.name))
def test_a_change_breaks_it(fault: Fault, tmp_path: Path) -> None:
    """Each fault makes the environment fail as expected, at the policy, statement and key that the sandbox names."""
    with built(fault.broken, tmp_path / "project") as found:
        error = found.error()

        assert error is not None
        assert (fault.code, fault.aws) == (error.code, error.aws.code if error.aws else "")
        refusals = [decision for decision in found.sandbox.decisions() if not decision["is_allowed"]]
        if fault.place.policy:
            assert is_call_of(fault, refusals[-1])
            assert refusals[-1]["decided_by"] == DECIDED_BY[fault.place.policy]
            assert (fault.place.statement, fault.place.key) in named(refusals[-1], fault.place.policy)
        elif fault.place.cause == "role-missing":
            assert NO_ROLE in {reason["note"] for reason in refusals[-1]["reasons"]}
        elif fault.place.cause == "secret-missing":
            # Without read permission a caller must not learn what exists, so a missing secret is a refusal too.
            assert not any(re.search(r"-\w{6}$", refusal["resource"]) for refusal in refusals)
        else:
            assert [] == refusals


def is_call_of(fault: Fault, refusal: Mapping[str, Any]) -> bool:
    """Whether the refusal is of the store's call in the data; a session policy refuses calls of other stores."""
    if fault.place.policy == "session":
        return True
    store = yaml.safe_load(fault.broken.config)["secretStores"][fault.place.store]
    if store["type"] in SECRETS:
        # The service itself uses the KMS key, in the name of the reader.
        return str(refusal["action"]).startswith((SECRETS[store["type"]], "kms:"))
    return bool(refusal["resource"] == store["role_arn"])


def test_there_are_enough_of_them() -> None:
    """There are at least 60 faults of 25 kinds in 6 working set-ups, and 10 of the faults are held back."""
    held_back = [fault for fault in FAULTS if fault.is_held_back]

    assert len(FAULTS) >= 60
    assert len({fault.kind for fault in FAULTS}) >= 25
    assert len({fault.broken.name.partition(":")[0] for fault in FAULTS}) >= 6
    assert len(held_back) >= 10
    assert {fault.kind for fault in held_back} - {fault.kind for fault in FAULTS if not fault.is_held_back}


def named(refusal: Mapping[str, Any], policy: str) -> set[tuple[str, str]]:
    """The statement and key of each possible reason: a denial, or the mismatch that kept a statement from allowing."""
    pairs = {("", "")} if refusal["effect"] == "ImplicitDeny" else set()
    for reason in refusal["reasons"]:
        if reason["policy_type"] != DECIDED_BY[policy]:
            continue
        for statement in reason["matched"]:
            if statement["effect"] == "Deny":
                pairs.add((statement["sid"] or "", ""))
        for statement in reason["near"] if refusal["effect"] == "ImplicitDeny" else ():
            keys = {failure["key"] or failure["element"] for failure in statement["failures"]}
            pairs |= {(statement["sid"] or "", key) for key in keys}
    return pairs
