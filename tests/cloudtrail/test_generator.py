"""The generator of logs: the same for the same seed, and its known answers are those that a plain reading gives."""

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
MORE_CALLS = 60 + 3  # of dsops' own trail and of the large file
SINCE = datetime(2026, 10, 12, 5, 30, tzinfo=UTC)
Known = dict[str, Any]  # a tree as JSON has it


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Known]:
    """Logs without dirt, and their answers."""
    folder = tmp_path_factory.mktemp("clean")
    return folder, generate(folder, events=EVENTS, seed=1)


@pytest.fixture(scope="module")
def dirty(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Known]:
    """Logs with all there may be, and their answers."""
    folder = tmp_path_factory.mktemp("dirty")
    return folder, generate(folder, events=EVENTS, seed=1, is_dirty=True, has_own_trail=True)


def digest(folder: Path) -> str:
    """One text for all names and bytes below a folder."""
    found = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        found.update(f"{path.relative_to(folder)} {path.stat().st_size}\n".encode() + path.read_bytes())
    return found.hexdigest()


def rows(known: Known, name: str) -> list[list[Any]]:
    """Of an answer."""
    found: list[list[Any]] = known["answers"][name]["rows"]
    return found


def check(folder: Path, known: Known, since: datetime | None = None) -> None:
    """Everything that is known, beside the plain reading."""
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
    """All questions, read record by record."""
    check(*clean)


def test_dirty_logs_have_the_known_answers(dirty: tuple[Path, Known]) -> None:
    """Damaged files, duplicates, strange records and dsops' own trail count as the definition says."""
    check(*dirty)


@pytest.mark.parametrize("seed", [2, 3, 4])
def test_other_seeds_have_their_own_answers(seed: int, tmp_path: Path, dirty: tuple[Path, Known]) -> None:
    """Other people, other calls, and what is known of them is right again, also from a moment on."""
    known = generate(tmp_path, events=EVENTS, seed=seed, since=SINCE, is_dirty=True, has_own_trail=True)

    check(tmp_path, known, SINCE)
    assert dirty[1]["answers"] != known["answers"]


def test_the_same_seed_makes_the_same_files_on_any_number_of_cores(clean: tuple[Path, Known], tmp_path: Path) -> None:
    """Byte by byte."""
    again = generate(tmp_path / "again", events=EVENTS, seed=1, processes=2)

    assert clean[1] == again
    assert digest(clean[0]) == digest(tmp_path / "again")


def test_since_changes_nothing_but_the_answers(dirty: tuple[Path, Known], tmp_path: Path) -> None:
    """The files are the same."""
    late = generate(tmp_path, events=EVENTS, seed=1, since=SINCE, is_dirty=True, has_own_trail=True)

    assert dirty[1]["answers"] != late["answers"]
    assert digest(dirty[0]) == digest(tmp_path)


def test_files_can_be_small(clean: tuple[Path, Known], tmp_path: Path) -> None:
    """Many of them, for the same calls; two records of an account and region are seldom together."""
    known = generate(tmp_path, events=EVENTS, seed=1, file_records=1)

    assert known["counts"]["files"] > 3 * clean[1]["counts"]["files"]
    assert clean[1]["answers"] == known["answers"]


def test_another_seed_makes_other_files(clean: tuple[Path, Known], tmp_path: Path) -> None:
    """The digest that tells the same from the same tells others apart."""
    generate(tmp_path, events=EVENTS, seed=2)

    assert digest(clean[0]) != digest(tmp_path)


def test_counts_add_up(clean: tuple[Path, Known], dirty: tuple[Path, Known]) -> None:
    """As many calls as were ordered, told in every question that has all of them."""
    for (_, known), calls in ((clean, EVENTS), (dirty, EVENTS + MORE_CALLS)):
        issues = sum(row[1] for row in rows(known, "summary-role"))
        sessions = sum(row[1] for row in rows(known, "durations"))
        failures = sum(row[2] for row in rows(known, "failures"))
        assert calls == known["counts"]["calls"] == sum(row[2] for row in rows(known, "events"))
        assert issues == sum(row[1] for row in rows(known, "summary-principal"))
        assert issues == sum(row[1] for row in rows(known, "summary-account"))
        assert (
            sessions
            == sum(row[1] for row in rows(known, "timeline"))
            == sum(row[2] for row in rows(known, "principals"))
        )
        assert (
            failures
            == sum(row[2] for row in rows(known, "timeline"))
            == sum(row[3] for row in rows(known, "principals"))
        )
        assert 0 < sessions + failures < issues, "some went well, but their answer is not on record"


def test_each_question_has_something_to_tell(dirty: tuple[Path, Known]) -> None:
    """An answer without rows would agree with anything; each has the columns that the definition names."""
    _, known = dirty

    assert {*COLUMNS} - {"summary", "history"} <= {*known["answers"]}
    for name, answer in known["answers"].items():
        assert columns_of(name) == answer["columns"]
        assert answer["rows"], name
        assert {len(answer["columns"])} == {len(row) for row in answer["rows"]}
    assert 5 == len(known["histories"][WATCHED]["rows"])
    assert 5 == max(row[1] for row in rows(known, "chains"))


def test_each_rule_has_its_counter_example(dirty: tuple[Path, Known]) -> None:
    """Roles that are used long, short and otherwise; sessions used beyond their end, in the same second, and never."""
    folder, known = dirty
    roles = {row[0] for row in rows(known, "durations")}
    naive = Naive(str(folder))
    used = [(session.time, session.last_use, session.expires) for session in naive.sessions if session.last_use]

    for name in ("long-use", "short-use", "without-mfa", "new-principals"):
        assert {row[0] for row in rows(known, name)} < roles, name
    assert len(used) < len(naive.sessions)
    assert any(expires and last > expires for _, last, expires in used), "used after it had ended"
    assert any(last < time for time, last, _ in used), "a clock that is behind"
    assert any(last == time for time, last, _ in used), "used in the second it was issued"
    assert {*REAL, *LOOK_ALIKES} < {call.code for call in naive.all}
    assert {*REAL} <= {row[4] for row in rows(known, "denials")} | {row[2] for row in rows(known, "throttling")}
    assert any("<script>" in row[0] for row in rows(known, "chains")), "HTML that a page must escape"


def test_files_lie_where_cloudtrail_puts_them(clean: tuple[Path, Known]) -> None:
    """Account, region and day in folder and name; each file whole JSON of records of that account."""
    folder, known = clean
    files = [path for path in folder.rglob("*") if path.is_file()]

    assert known["counts"]["files"] == len(files)
    for path in files:
        _, account, _, region, year, month, day, name = path.relative_to(folder).parts
        assert name.startswith(f"{account}_CloudTrail_{region}_{year}{month}{day}T")
        records = json.loads(gzip.decompress(path.read_bytes()))["Records"]
        assert records
        assert {account} == {record["recipientAccountId"] for record in records}


def test_records_are_as_large_as_real_ones(clean: tuple[Path, Known]) -> None:
    """One to two kilobytes in the mean, and most of them are ordinary services'."""
    texts = [gzip.decompress(path.read_bytes()) for path in clean[0].rglob("*.json.gz")]
    records = [record for text in texts for record in json.loads(text)["Records"]]
    services = Counter(record["eventSource"] for record in records)

    assert 1000 < sum(map(len, texts)) / len(records) < 2000
    assert services["sts.amazonaws.com"] < len(records) / 2
    assert 10 < len(services)


def test_twins_have_one_id_and_the_copy_knows_no_name(clean: tuple[Path, Known]) -> None:
    """The trusting account sees an account and an id."""
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
    """So the boundary between old and new is known beforehand: a day before it."""
    naive = Naive(str(clean[0]))

    assert END == max(call.time for call in naive.all).timestamp()
    assert clean[1]["boundary"] == f"{naive.boundary:%Y-%m-%dT%H:%M:%SZ}" == "2026-10-30T23:59:59Z"


def test_too_few_events_are_refused(tmp_path: Path) -> None:
    """A month needs room for what happens in it."""
    with pytest.raises(ValueError, match=f"at least {LEAST}"):
        generate(tmp_path, events=LEAST - 1, seed=1)


def test_other_logs_are_not_mixed_in(clean: tuple[Path, Known]) -> None:
    """Answers are known of all logs in a folder, or of none."""
    with pytest.raises(ValueError, match="there are logs already"):
        generate(clean[0], events=EVENTS, seed=2)


def test_since_has_a_time_zone(tmp_path: Path) -> None:
    """Records are in UTC; a moment without a zone would be the machine's."""
    with pytest.raises(ValueError, match="time zone"):
        generate(tmp_path, events=EVENTS, seed=1, since=SINCE.replace(tzinfo=None))


def test_the_plain_reading_sees_one_call_less(clean: tuple[Path, Known], tmp_path: Path) -> None:
    """A reading that could not tell would be no check: one file gone, and the answers differ."""
    folder, known = clean
    path = max(folder.rglob("*.json.gz"), key=lambda path: path.stat().st_size)
    for other in folder.rglob("*.json.gz"):
        if other != path:
            copy = tmp_path / other.relative_to(folder)
            copy.parent.mkdir(parents=True, exist_ok=True)
            os.link(other, copy)

    with pytest.raises(AssertionError):
        check(tmp_path, known)


def test_the_command_writes_logs_and_answers(tmp_path: Path, clean: tuple[Path, Known]) -> None:
    """`python -m tests.cloudtrail`, for whoever wants to look at some."""
    command = [sys.executable, "-m", "tests.cloudtrail", str(tmp_path / "logs"), "--events", str(EVENTS), "--no-own"]

    done = subprocess.run(command, cwd=Path(__file__).parents[2], check=True, capture_output=True, text=True)

    assert f"{tmp_path / 'answers.json'}\n" == done.stdout
    assert clean[1] == json.loads((tmp_path / "answers.json").read_text())
    assert digest(clean[0]) == digest(tmp_path / "logs")
