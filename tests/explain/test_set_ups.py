"""Each set-up works, and each change breaks it where the data say, with AWS's own answer.

A yardstick has to be right itself: the sandbox's own decision, which nobody who explains a refusal sees, names the
policy that refuses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.explain.build import Built, built
from tests.explain.set_up import Fault, SetUp, faults, working

if TYPE_CHECKING:
    from pathlib import Path

WORKING = working()
FAULTS = list(faults())

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
    """Every variable of the environment has its value."""
    with built(set_up, tmp_path / "project") as found:
        assert found.error() is None


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.broken.name)
def test_a_change_breaks_it(fault: Fault, tmp_path: Path) -> None:
    """The environment fails as expected, and the sandbox names the policy, the statement and the key of the data."""
    with built(fault.broken, tmp_path / "project") as found:
        error = found.error()

        assert error is not None
        assert (fault.code, fault.aws) == (error.code, error.aws.code if error.aws else "")
        if fault.place.policy:
            assert refused_by(found) == DECIDED_BY[fault.place.policy]
            assert (fault.place.statement, fault.place.key) in named(found, fault.place.policy)


def refused_by(found: Built) -> str:
    """The policy type that the sandbox's last refusal is by."""
    return str(_refusal(found)["decided_by"])


def named(found: Built, policy: str) -> set[tuple[str, str]]:
    """Statement and key of whatever may be called the reason: what denies, and what kept a statement from allowing."""
    refusal = _refusal(found)
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


def _refusal(found: Built) -> dict[str, Any]:
    refusals = [each for each in found.sandbox.decisions() if not each["is_allowed"]]
    assert refusals, "the sandbox has refused nothing by a policy"
    return refusals[-1]
