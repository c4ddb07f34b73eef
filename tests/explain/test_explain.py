"""`dsops explain` names the broken place first, and claims nothing that is not so.

It runs with the keys and the environment of the set-up, against a sandbox that answers as AWS does: it gets no policy
that those keys may not read, and nothing of the data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.explain.build import built
from tests.explain.explained import claims, explained, names
from tests.explain.set_up import Fault, SetUp, blind, faults, working

if TYPE_CHECKING:
    from pathlib import Path

WORKING = working()
FAULTS = list(faults())
CASES = [
    pytest.param(
        fault, marks=[pytest.mark.xfail(reason=fault.missed)] if fault.missed else [], id=fault.broken.name
    )
    for fault in FAULTS
]


def test_at_most_one_in_twenty_is_missed() -> None:
    """Of those held back too, which nobody has looked at while writing it."""
    for group in (FAULTS, [fault for fault in FAULTS if fault.is_held_back]):
        found = [fault for fault in group if not fault.missed]
        print(f"explain names the broken place first in {len(found)} of {len(group)} set-ups")

        assert len(found) >= 0.95 * len(group)


@pytest.mark.parametrize("fault", CASES)
def test_the_broken_place_is_named_first(fault: Fault, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Store, kind of policy, statement and key; with 6 as exit code, and never by asking the sandbox itself."""
    with built(fault.broken, tmp_path / "project") as found:
        code, findings = explained(found, capfd)

        assert code == 6
        assert [] == claims(findings, fault.place)
        assert names(findings[0], fault.place), findings[0]
        assert fault.can_be_proven or findings[0]["certainty"] != "proven"
        assert [] == [path for path in found.asked_of_the_sandbox if not path.endswith("/github")]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.broken.name)
def test_who_may_read_nothing_claims_nothing_wrong(
    fault: Fault, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """What AWS itself says may be proven; whatever else is, would be a guess."""
    with built(blind(fault.broken), tmp_path / "project") as found:
        code, findings = explained(found, capfd)

        assert code == 6
        assert [] == claims(findings, fault.place)


@pytest.mark.parametrize("set_up", WORKING.values(), ids=WORKING)
def test_nothing_is_wrong_with_what_works(
    set_up: SetUp, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """No finding, and 0."""
    with built(set_up, tmp_path / "project") as found:
        assert explained(found, capfd) == (0, [])
