"""The log generator is deterministic, and its known answers equal those of the naive program."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.cloudtrail.columns import COLUMNS, columns_of
from tests.cloudtrail.generator import END, LEAST, generate
from tests.cloudtrail.naive import Naive
from tests.cloudtrail.pieces import LOOK_ALIKES, REAL, WATCHED

EVENTS = 3000
MORE_CALLS = 60 + 3  # the additional calls of dsops' own trail and the large file
SINCE = datetime(2026, 10, 12, 5, 30, tzinfo=UTC)
Known = dict[str, Any]  # a JSON tree


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Known]:
    """Clean logs and their answers."""
    folder = tmp_path_factory.mktemp("clean")
    return folder, generate(folder, events=EVENTS, seed=1)


@pytest.fixture(scope="module")
def dirty(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Known]:
    """Dirty logs with dsops' own trail, and their answers."""
    folder = tmp_path_factory.mktemp("dirty")
    return folder, generate(folder, events=EVENTS, seed=1, is_dirty=True, has_own_trail=True)


def digest(folder: Path) -> str:
    """A hash over all names and contents below a folder."""
    found = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        found.update(f"{path.relative_to(folder)} {path.stat().st_size}\n".encode() + path.read_bytes())
    return found.hexdigest()


def rows(known: Known, name: str) -> list[list[Any]]:
    """The rows of an answer."""
    found: list[list[Any]] = known["answers"][name]["rows"]
    return found


def check(folder: Path, known: Known, since: datetime | None = None) -> None:
    """Check that all known answers and counts equal those of the naive program."""
    naive = Naive(str(folder), since)
    counts = {
        "calls": len(naive.all),
        "records": naive.read.records,
        "skipped": naive.read.skipped,
        "files": naive.read.files,
    }
    assert known["counts"] == counts
    assert known["unreadable"] == sorted(naive.read.unreadable)
    for name, found in naive.answers().items():
        assert rows(known, name) == found, name
    assert {name: answer["rows"] for name, answer in known["histories"].items()} == {
        name: naive.history(name) for name in known["histories"]
    }


def test_clean_logs_have_the_known_answers(clean: tuple[Path, Known]) -> None:
    """All known answers for clean logs equal those of the naive program."""
    check(*clean)


def test_dirty_logs_have_the_known_answers(dirty: tuple[Path, Known]) -> None:
    """Known answers for dirty logs (damage, duplicates, odd records, own trail) equal those of the naive program."""
    check(*dirty)


@pytest.mark.parametrize("seed", [2, 3, 4])
def test_other_seeds_have_their_own_answers(seed: int, tmp_path: Path, dirty: tuple[Path, Known]) -> None:
    """Other seeds give different answers, which also equal those of the naive program, even with `since`."""
    known_names = generate(tmp_path, events=EVENTS, seed=seed, since=SINCE, is_dirty=True, has_own_trail=True)

    check(tmp_path, known_names, SINCE)
    assert dirty[1]["answers"] != known_names["answers"]


def test_the_same_seed_makes_the_same_files_on_any_number_of_cores(clean: tuple[Path, Known], tmp_path: Path) -> None:
    """One seed gives the same bytes on any number of cores."""
    again = generate(tmp_path / "again", events=EVENTS, seed=1, processes=2)

    assert clean[1] == again
    assert digest(clean[0]) == digest(tmp_path / "again")


def test_since_changes_nothing_but_the_answers(dirty: tuple[Path, Known], tmp_path: Path) -> None:
    """`since` changes the answers but not the files."""
    late = generate(tmp_path, events=EVENTS, seed=1, since=SINCE, is_dirty=True, has_own_trail=True)

    assert dirty[1]["answers"] != late["answers"]
    assert digest(dirty[0]) == digest(tmp_path)


def test_files_can_be_small(clean: tuple[Path, Known], tmp_path: Path) -> None:
    """With `file_records=1`, the same calls are written into many small files."""
    known_names = generate(tmp_path, events=EVENTS, seed=1, file_records=1)

    assert known_names["counts"]["files"] > 3 * clean[1]["counts"]["files"]
    assert clean[1]["answers"] == known_names["answers"]


def test_another_seed_makes_other_files(clean: tuple[Path, Known], tmp_path: Path) -> None:
    """Another seed gives different files, so the digest distinguishes them."""
    generate(tmp_path, events=EVENTS, seed=2)

    assert digest(clean[0]) != digest(tmp_path)


def test_counts_add_up(clean: tuple[Path, Known], dirty: tuple[Path, Known]) -> None:
    """The logs have the requested number of calls, and all questions that count calls agree."""
    for (_, known_answers), calls in ((clean, EVENTS), (dirty, EVENTS + MORE_CALLS)):
        issues = sum(row[1] for row in rows(known_answers, "summary-role"))
        sessions = sum(row[1] for row in rows(known_answers, "durations"))
        failures = sum(row[2] for row in rows(known_answers, "failures"))
        assert calls == known_answers["counts"]["calls"] == sum(row[2] for row in rows(known_answers, "events"))
        assert issues == sum(row[1] for row in rows(known_answers, "summary-principal"))
        assert issues == sum(row[1] for row in rows(known_answers, "summary-account"))
        assert (
            sessions
            == sum(row[1] for row in rows(known_answers, "timeline"))
            == sum(row[2] for row in rows(known_answers, "principals"))
        )
        assert (
            failures
            == sum(row[2] for row in rows(known_answers, "timeline"))
            == sum(row[3] for row in rows(known_answers, "principals"))
        )
        assert 0 < sessions + failures < issues, "some went well, but their answer is not on record"


def test_each_question_has_something_to_tell(dirty: tuple[Path, Known]) -> None:
    """Every question has rows with the defined columns, because any program would agree on an empty answer."""
    _, known = dirty

    assert {*COLUMNS} - {"summary", "history"} <= {*known["answers"]}
    for name, answer in known["answers"].items():
        assert columns_of(name) == answer["columns"]
        assert answer["rows"], name
        assert {len(answer["columns"])} == {len(row) for row in answer["rows"]}
    assert 5 == len(known["histories"][WATCHED]["rows"])
    assert 5 == max(row[1] for row in rows(known, "chains"))


def test_each_rule_has_its_counter_example(dirty: tuple[Path, Known]) -> None:
    """The logs have a counter-example for every rule: long, short, unused and overlong sessions, exact limits, HTML."""
    folder, known_answers = dirty
    roles = {row[0] for row in rows(known_answers, "durations")}
    naive = Naive(str(folder))
    used = [(session.time, session.last_use, session.expires) for session in naive.sessions if session.last_use]

    for name in ("long-use", "short-use", "without-mfa", "new-principals"):
        assert {row[0] for row in rows(known_answers, name)} < roles, name
    assert len(used) < len(naive.sessions)
    assert any(expires and last > expires for _, last, expires in used), "used after it had ended"
    assert any(last < time for time, last, _ in used), "a clock that is behind"
    assert any(last == time for time, last, _ in used), "used in the second it was issued"
    assert {*REAL, *LOOK_ALIKES} < {call.code for call in naive.all}
    assert {*REAL} <= {row[4] for row in rows(known_answers, "denials")} | {
        row[2] for row in rows(known_answers, "throttling")
    }
    assert any("<script>" in row[0] for row in rows(known_answers, "chains")), "HTML that a page must escape"


def test_files_lie_where_cloudtrail_puts_them(clean: tuple[Path, Known]) -> None:
    """Files have CloudTrail's paths and names, and each contains records of its own account."""
    folder, known_answers = clean
    files = [path for path in folder.rglob("*") if path.is_file()]

    assert known_answers["counts"]["files"] == len(files)
    for path in files:
        _, account, _, region, year, month, day, name = path.relative_to(folder).parts
        assert name.startswith(f"{account}_CloudTrail_{region}_{year}{month}{day}T")
        records = json.loads(gzip.decompress(path.read_bytes()))["Records"]
        assert records
        assert {account} == {record["recipientAccountId"] for record in records}


def test_records_are_as_large_as_real_ones(clean: tuple[Path, Known]) -> None:
    """Records have one to two kilobytes on average, and most of them are calls of ordinary services."""
    texts = [gzip.decompress(path.read_bytes()) for path in clean[0].rglob("*.json.gz")]
    records = [record for text in texts for record in json.loads(text)["Records"]]
    services = Counter(record["eventSource"] for record in records)

    assert 1000 < sum(map(len, texts)) / len(records) < 2000
    assert services["sts.amazonaws.com"] < len(records) / 2
    assert 10 < len(services)


def test_twins_have_one_id_and_the_copy_knows_no_name(clean: tuple[Path, Known]) -> None:
    """Both copies of a call have the same id; the role account's copy has only the caller's account and id."""
    twins: dict[str, list[dict[str, Any]]] = {}
    for path in clean[0].rglob("*.json.gz"):
        for record in json.loads(gzip.decompress(path.read_bytes()))["Records"]:
            if "sharedEventID" in record:
                twins.setdefault(record["sharedEventID"], []).append(record)
    pairs = [pair for pair in twins.values() if len(pair) == 2]

    assert len(pairs) > 20
    for pair in pairs:
        copies = [record["userIdentity"] for record in pair if record["userIdentity"]["type"] == "AWSAccount"]
        assert [{"type", "principalId", "accountId"}] == [set(copy) for copy in copies]
        assert (
            2 == len({record["eventID"] for record in pair}) == len({record["recipientAccountId"] for record in pair})
        )


def test_the_last_call_is_the_end_of_the_month(clean: tuple[Path, Known]) -> None:
    """The last call is at the end of the month, and the time from which calls count as new is a day before it."""
    naive = Naive(str(clean[0]))

    assert END == max(call.time for call in naive.all).timestamp()
    assert clean[1]["boundary"] == f"{naive.boundary:%Y-%m-%dT%H:%M:%SZ}" == "2026-10-30T23:59:59Z"


def test_too_few_events_are_refused(tmp_path: Path) -> None:
    """The generator refuses to make fewer calls than LEAST."""
    with pytest.raises(ValueError, match=f"at least {LEAST}"):
        generate(tmp_path, events=LEAST - 1, seed=1)


def test_other_logs_are_not_mixed_in(clean: tuple[Path, Known]) -> None:
    """The generator refuses a folder that already has logs."""
    with pytest.raises(ValueError, match="there are logs already"):
        generate(clean[0], events=EVENTS, seed=2)


def test_since_has_a_time_zone(tmp_path: Path) -> None:
    """`since` without a time zone is refused."""
    with pytest.raises(ValueError, match="time zone"):
        generate(tmp_path, events=EVENTS, seed=1, since=SINCE.replace(tzinfo=None))


def test_the_plain_reading_sees_one_call_less(clean: tuple[Path, Known], tmp_path: Path) -> None:
    """The comparison of answers fails if one file is missing."""
    folder, known_answers = clean
    path = max(folder.rglob("*.json.gz"), key=lambda path: path.stat().st_size)
    for other in folder.rglob("*.json.gz"):
        if other != path:
            copy = tmp_path / other.relative_to(folder)
            copy.parent.mkdir(parents=True, exist_ok=True)
            os.link(other, copy)

    with pytest.raises(AssertionError):
        check(tmp_path, known_answers)


def test_the_command_writes_logs_and_answers(tmp_path: Path, clean: tuple[Path, Known]) -> None:
    """`python -m tests.cloudtrail` writes the logs and their answers."""
    command = [sys.executable, "-m", "tests.cloudtrail", str(tmp_path / "logs"), "--events", str(EVENTS), "--no-own"]

    done = subprocess.run(
        command, cwd=Path(__file__).parents[2], check=True, capture_output=True, text=True, timeout=60
    )

    assert f"{tmp_path / 'answers.json'}\n" == done.stdout
    assert clean[1] == json.loads((tmp_path / "answers.json").read_text())
    assert digest(clean[0]) == digest(tmp_path / "logs")
