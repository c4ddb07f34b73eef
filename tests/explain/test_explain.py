"""`dsops explain` names the broken place first and makes no false claim.

It runs with the keys and the environment of the set-up, against a sandbox that answers like AWS: it reads no policy
without permission, and nothing of the test's data.
"""

from __future__ import annotations

import json
from itertools import pairwise, takewhile
from pathlib import Path

import pytest
import yaml

from tests.explain.build import built
from tests.explain.explained import claims, explained, has_record, is_record_whole, names
from tests.explain.mended import can_be_mended, mended
from tests.explain.set_up import READERS, Fault, SetUp, faults, together, with_less, working
from tests.groups import IN_CI, marks_of_rest, nightly_rest

WORKING = working()
FAULTS = list(faults())
PARTLY = [reader for reader in READERS if reader != "nobody"]
CAUSES = (Path(__file__).parents[2] / "docs/reference/explain.md").read_text(encoding="utf-8")
CASES = [
    pytest.param(
        fault,
        marks=[*(IN_CI if number % 3 else []), *([pytest.mark.xfail(reason=fault.missed)] if fault.missed else [])],
        id=fault.broken.name,
    )
    for number, fault in enumerate(FAULTS)
]


def name_of(fault: Fault) -> str:
    """The name of a broken set-up."""
    return fault.broken.name


def test_at_most_one_in_twenty_is_missed() -> None:
    """`explain` misses at most one fault in twenty, also among the faults held back during development."""
    for group in (FAULTS, [fault for fault in FAULTS if fault.is_held_back]):
        found = [fault for fault in group if not fault.missed]
        print(f"explain names the broken place first in {len(found)} of {len(group)} set-ups")

        assert len(found) >= 0.95 * len(group)


@pytest.mark.parametrize("fault", CASES)
def test_the_broken_place_is_named_first(fault: Fault, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The first finding names the right store, kind of policy, statement and key, with exit code 6.

    `explain` never uses the sandbox's own paths. The suggested statement mends the set-up: after it is added to the
    named policy, every variable of the environment gets its value.
    """
    with built(fault.broken, tmp_path / "project") as found:
        before = len(found.sandbox.decisions())
        code, findings = explained(found, capfd)

        assert [] == strangers(fault.broken, {decision["caller"] for decision in found.sandbox.decisions()[before:]})
        assert code == 6
        assert [] == claims(findings, fault.place)
        assert names(findings[0], fault.place), findings[0]
        assert fault.can_be_proven or findings[0]["certainty"] != "proven"
        assert f"`{findings[0]['cause']}`" in CAUSES
        if fault.place.cause and fault.place.key and fault.place.cause != "secret-missing":
            assert findings[0]["remedy"]["where"] == {"file": "dsops.yaml", "line": line_of(fault)}
        assert [] == [path for path in found.asked_of_the_sandbox if not path.endswith("/github")]
    if can_be_mended(fault):
        with built(mended(fault.broken, findings[0]), tmp_path / "mended") as found:
            assert found.error() is None


@pytest.mark.parametrize("fault", nightly_rest(6, FAULTS, name_of))
def test_the_record_of_a_refusal_names_the_broken_place(
    fault: Fault, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The first finding is the same if AWS's messages have ids and `explain` reads the records of the refusals."""
    with built(fault.broken, tmp_path / "project") as found:
        found.with_ids()
        code, findings = explained(found, capfd)

        assert code == 6
        assert [] == claims(findings, fault.place)
        assert names(findings[0], fault.place), findings[0]
        assert [] == [path for path in found.asked_of_the_sandbox if not path.endswith("/github")]


def strangers(set_up: SetUp, callers: set[str]) -> list[str]:
    """The callers during the explanation that do not belong to the chain."""
    name, _, account = set_up.caller.partition("@")
    stores = yaml.safe_load(set_up.config)["secretStores"].values()
    base = set_up.session.get("parameters", {}).get("RoleArn", "")
    arns = [base, *(str(store.get("role_arn", "")) for store in stores)]
    sessions = tuple(f":{arn.split(':')[4]}:assumed-role/{arn.rpartition('/')[2]}/" for arn in arns if arn)
    return [
        caller
        for caller in callers
        if caller != f"arn:aws:iam::{account}:user/{name}"
        if "-provider/" not in caller and not any(session in caller for session in sessions)
    ]


def line_of(fault: Fault) -> int:
    """The line of the key in dsops.yaml, or of the store that could have it."""
    lines = fault.broken.config.splitlines()
    store = lines.index(f"  {fault.place.store}:")
    below = takewhile(lambda line: line.startswith("    "), lines[store + 1 :])
    found = (number for number, line in enumerate(below, store + 2) if line.strip().startswith(f"{fault.place.key}:"))
    return next(found, store + 1)


@pytest.mark.parametrize(
    "number", nightly_rest(3, range(len(FAULTS)), lambda number: name_of(FAULTS[number]), first=[pytest.mark.clients])
)
def test_with_less_read_access_no_claim_is_wrong(
    number: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """If one kind of policy is unreadable, only AWS's own statements and their consequences are called proven."""
    fault = FAULTS[number]
    partly = PARTLY[number % len(PARTLY)]
    with built(with_less(fault.broken, READERS[partly]), tmp_path / "project") as found:
        code, findings = explained(found, capfd)

    assert code == 6
    assert [] == claims(findings, fault.place), partly


@pytest.mark.parametrize("fault", nightly_rest(3, FAULTS, name_of, first=[pytest.mark.clients]))
def test_access_to_records_of_refusals_alone_gives_their_contents(
    fault: Fault, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """If no policy is readable, no claim is wrong, and the faulty place is named as far as AWS's message allows.

    If the message has an id, the record of the refusal gives the place without reading any policy in IAM. That
    proves the place, except for what belongs to another account.
    """
    with built(with_less(fault.broken, READERS["nobody"]), tmp_path / "project") as found:
        code, findings = explained(found, capfd)

        assert code == 6
        assert [] == claims(findings, fault.place)
        found.with_ids()
        code, findings = explained(found, capfd)

    assert code == 6
    assert [] == claims(findings, fault.place)
    if has_record(findings[0]):
        assert names(findings[0], fault.place), findings[0]
    if fault.place.policy and is_record_whole(findings[0]):
        assert findings[0]["certainty"] == "proven"


@pytest.mark.parametrize("fault", nightly_rest(3, FAULTS, name_of, first=[pytest.mark.clients]))
def test_an_answer_in_another_language_is_not_read(
    fault: Fault, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """If AWS's message is in another language, `explain` still reports a finding and makes no wrong claim."""
    with built(fault.broken, tmp_path / "project", denial="Zugriff verweigert") as found:
        code, findings = explained(found, capfd)

    assert code == 6
    assert [] == claims(findings, fault.place)


PAIRS = [
    (first, second, both)
    for first, second in pairwise(FAULTS)
    if first.broken.name.partition(":")[0] == second.broken.name.partition(":")[0]
    if not first.missed and not second.missed
    if (both := together(first, second)) is not None
]


@pytest.mark.parametrize(
    ("first", "second", "both"),
    [pytest.param(*pair, marks=marks_of_rest(number, 4), id=pair[2].name) for number, pair in enumerate(PAIRS)],
)
def test_of_two_faults_one_is_named_first(
    first: Fault, second: Fault, both: SetUp, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """With two faults, the first finding names one of them, and no finding is wrong for both."""
    with built(both, tmp_path / "project") as found:
        code, findings = explained(found, capfd)

    assert code == 6
    assert names(findings[0], first.place) or names(findings[0], second.place), findings[0]
    assert [] == [claim for claim in claims(findings, first.place) if claim in claims(findings, second.place)]


@pytest.mark.parametrize(
    "fault",
    nightly_rest(
        3,
        [
            fault
            for fault in FAULTS
            if fault.place.policy == "trust" and fault.place.statement and not fault.can_be_proven
        ],
        name_of,
    ),
)
def test_a_trust_policy_can_be_given_as_a_file(fault: Fault, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """If a file provides the trust policy, the finding names its statement and the value that it requires."""
    with built(fault.broken, tmp_path / "project") as found:
        trust = trust_policy(fault)
        (found.folder / "trust.json").write_text(json.dumps(trust), encoding="utf-8")
        code, findings = explained(found, capfd, "--trust-policy", f"{fault.place.store}=trust.json")

        assert code == 6
        assert [] == claims(findings, fault.place)
        assert findings[0]["place"]["sid"] == fault.place.statement
        assert names(findings[0], fault.place)
        assert findings[0]["mismatches"]


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(fault, id=fault.broken.name)
        for fault in FAULTS
        if fault.broken.github and fault.place.policy == "trust" and fault.place.key.endswith(":sub")
    ],
)
def test_a_refused_token_is_compared_with_the_trust_policy(
    fault: Fault, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """For a token obtained at run time, the trust policy from a file proves that the token's subject differs."""
    with built(fault.broken, tmp_path / "project") as found:
        (found.folder / "trust.json").write_text(json.dumps(trust_policy(fault)), encoding="utf-8")
        findings = explained(found, capfd, "--trust-policy", f"{fault.place.store}=trust.json")[1]

    assert ("token-subject", "proven") == (findings[0]["cause"], findings[0]["certainty"])
    assert [] == claims(findings, fault.place)
    (mismatch,) = findings[0]["mismatches"]
    assert mismatch["actual"][0].startswith(f"repo:{fault.broken.github['repository']}:")


def trust_policy(fault: Fault) -> object:
    """The trust policy of the role that the store assumes."""
    arn = yaml.safe_load(fault.broken.config)["secretStores"][fault.place.store]["role_arn"]
    account, name = arn.split(":")[4], arn.rpartition("/")[2]
    return fault.broken.seed["accounts"][account]["roles"][name]["trust"]


@pytest.mark.parametrize("set_up", WORKING.values(), ids=WORKING)
def test_a_working_set_up_has_no_findings(set_up: SetUp, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A working set-up gives no finding and exit code 0."""
    with built(set_up, tmp_path / "project") as found:
        assert explained(found, capfd) == (0, [])
