"""The audit report on generated logs: every figure equals the generator's."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dsops.audit.cloudtrail.duck import CallDatabase, open_database, standalone
from dsops.audit.cloudtrail.files import Form, find_logs
from dsops.audit.cloudtrail.question import BY, AuditQuestion, QuestionOptions
from dsops.audit.cloudtrail.questions import HISTORY, REPORTED, SUMMARY
from dsops.audit.cloudtrail.relations import MOST_HOPS
from dsops.audit.cloudtrail.reporting import report_on
from dsops.audit.report import AuditReport
from dsops.errors import LogsUnreadable
from tests.cloudtrail.generator import generate

SINCE = datetime(2026, 10, 12, 5, 30, tzinfo=UTC)
Known = dict[str, Any]  # a JSON tree


def report_of(folder: Path, **more: Any) -> AuditReport:
    """Make the report on all logs below the folder."""
    return report_on(find_logs([str(folder)]), ["logs"], **more)


def rows_of(report: AuditReport, name: str) -> list[list[Any]]:
    """The rows of an answer, as in JSON."""
    answer = report.answer(name)
    assert answer is not None
    return as_json(answer.rows)


def as_json(rows: Iterable[Iterable[object]]) -> list[list[Any]]:
    """Rows with times as strings."""
    return [[f"{cell:%Y-%m-%dT%H:%M:%SZ}" if isinstance(cell, datetime) else cell for cell in row] for row in rows]


@pytest.fixture(scope="module")
def dirty(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Known]:
    """Ten thousand dirty calls and their answers."""
    folder = tmp_path_factory.mktemp("logs")
    return folder, generate(folder, events=10_000, seed=7, is_dirty=True, has_own_trail=True)


@pytest.fixture(scope="module")
def histories(dirty: tuple[Path, Known]) -> dict[str, list[list[Any]]]:
    """The known history of each session with one, by its name; the longest first."""
    rows = {name: answer["rows"] for name, answer in dirty[1]["histories"].items()}
    return {name: rows[name] for name in sorted(rows, key=lambda each: (-len(rows[each]), each))}


@pytest.fixture(scope="module")
def reported(dirty: tuple[Path, Known], histories: dict[str, list[list[Any]]]) -> AuditReport:
    """The report on the dirty logs, by principal, with the history of a session."""
    return report_of(dirty[0], by="principal", questions=(*REPORTED, HISTORY), session=next(iter(histories)))


@pytest.fixture(scope="module")
def database(dirty: tuple[Path, Known]) -> Iterator[CallDatabase]:
    """The dirty logs, read once for several questions."""
    with open_database() as database:
        database.load(find_logs([str(dirty[0])]).batches)
        database.finish()
        yield database


def rows_from(database: CallDatabase, question: AuditQuestion, **options: str) -> list[list[Any]]:
    """The rows of a question, as in JSON."""
    return as_json(database.answer(question, QuestionOptions(None, database.boundary(None), **options)).rows)


@pytest.mark.parametrize("question", REPORTED, ids=lambda each: each.name)
def test_each_answer_is_the_known_one(reported: AuditReport, dirty: tuple[Path, Known], question: Any) -> None:
    """Each answer equals the known answer in rows and order, despite duplicates, damage and odd names."""
    name = "summary-principal" if question is SUMMARY else question.name
    known_names = dirty[1]["answers"][name]
    answer = reported.answer(question.name)
    assert answer is not None
    assert known_names["columns"] == list(answer.columns)
    assert known_names["rows"] == rows_of(reported, question.name)
    assert known_names["rows"]


def test_what_was_read_is_told(reported: AuditReport, dirty: tuple[Path, Known]) -> None:
    """The report counts calls, records, skipped elements and files, and names unreadable files with reasons."""
    folder, known_answers = dirty
    counts = {name: getattr(reported, name) for name in ("calls", "records", "skipped", "files")}
    assert reported.files is not None
    digests = len(list(folder.rglob("*CloudTrail-Digest_*")))  # digest files are not opened
    assert known_answers["counts"] == {**counts, "files": reported.files + digests}
    assert known_answers["unreadable"] == [os.path.relpath(path, folder) for path, _ in reported.unreadable]
    assert {"it is empty", "its gzip stream ends too early", "it is not JSON, or ends too early"} <= {
        why for _, why in reported.unreadable
    }
    assert known_answers["boundary"] == f"{reported.boundary:%Y-%m-%dT%H:%M:%SZ}"


@pytest.mark.parametrize("by", BY)
def test_the_summary_can_be_grouped_otherwise(dirty: tuple[Path, Known], database: CallDatabase, by: str) -> None:
    """The summary can be grouped by role, principal or account pair."""
    assert dirty[1]["answers"][f"summary-{by}"]["rows"] == rows_from(database, SUMMARY, by=by)


def test_a_session_is_followed_back_to_who_began(
    reported: AuditReport, database: CallDatabase, histories: dict[str, list[list[Any]]]
) -> None:
    """The history of a session is found by session name, key id or ARN."""
    longest = next(iter(histories))
    assert len(histories[longest]) == 5
    assert histories[longest] == rows_of(reported, "history")
    for name, rows in histories.items():
        assert rows == rows_from(database, HISTORY, session=name), name


def test_a_session_that_is_not_there_has_no_history(database: CallDatabase) -> None:
    """A session name that does not exist has no history, even if a similar one does."""
    assert [] == rows_from(database, HISTORY, session="dsops-deploy-paymen_s")


@pytest.mark.parametrize("seed", [11, pytest.param(12, marks=pytest.mark.nightly)])
def test_other_logs_have_their_own_answers_from_a_moment_on(tmp_path: Path, seed: int) -> None:
    """With `since`, the answers for other seeds equal the known answers."""
    known_names = generate(tmp_path, events=4000, seed=seed, since=SINCE, is_dirty=True)
    report = report_of(tmp_path, since=SINCE)
    for question in REPORTED:
        name = "summary-role" if question is SUMMARY else question.name
        assert known_names["answers"][name]["rows"] == rows_of(report, question.name), name


def test_each_question_as_one_statement_gives_the_same(tmp_path: Path) -> None:
    """The statement that `audit sql --dialect duckdb` prints gives the report's answers when run in DuckDB."""
    known_names = generate(tmp_path, events=3000, seed=5)
    pattern = f"{tmp_path}/**/*.json.gz"
    options = QuestionOptions()
    for question in REPORTED:
        name = "summary-role" if question is SUMMARY else question.name
        rows = duckdb.execute(standalone(question, options, pattern)).fetchall()
        assert known_names["answers"][name]["rows"] == as_json(rows), name
    session = max(known_names["histories"], key=lambda name: len(known_names["histories"][name]["rows"]))
    rows = duckdb.execute(standalone(HISTORY, QuestionOptions(session=session), pattern)).fetchall()
    assert len(known_names["histories"][session]["rows"]) == len(rows)


def record(number: int, name: str = "GetSecretValue", **more: Any) -> dict[str, Any]:
    """A minimal record."""
    service = "sts" if name.startswith("AssumeRole") else "secretsmanager"
    return {
        "eventTime": f"2026-11-20T{number // 3600:02d}:{number // 60 % 60:02d}:{number % 60:02d}Z",
        "eventName": name,
        "eventSource": f"{service}.amazonaws.com",
        "eventID": f"00000000-0000-4000-8000-{number:012d}",
        "userIdentity": {"type": "IAMUser", "arn": "arn:a"},
        **more,
    }


def log(path: Path, records: list[Any]) -> None:
    """Write a log file."""
    text = json.dumps({"Records": records}).encode()
    path.write_bytes(gzip.compress(text) if path.name.endswith(".gz") else text)


def test_a_long_chain_is_followed_so_far_and_no_further(tmp_path: Path) -> None:
    """A chain of twelve hops is traced back for only eight hops."""
    records = [
        record(
            number,
            "AssumeRole",
            userIdentity={
                "type": "AssumedRole",
                "accessKeyId": f"ASIA{number - 1}",
                "sessionContext": {"sessionIssuer": {"arn": f"arn:aws:iam::111111111111:role/R{number - 1}"}},
            },
            requestParameters={"roleArn": f"arn:aws:iam::111111111111:role/R{number}"},
            responseElements={"credentials": {"accessKeyId": f"ASIA{number}"}},
        )
        for number in range(1, 13)
    ]
    log(tmp_path / "a.json", records)
    report = report_of(tmp_path)
    hops = [row[1] for row in rows_of(report, "chains")]
    assert [MOST_HOPS] * 5 + [7, 6, 5, 4, 3] == hops
    path = str(rows_of(report, "chains")[0][0])
    assert 9 == len(path.split(" > "))


def test_a_user_who_is_known_by_the_key_alone_is_that_key(tmp_path: Path) -> None:
    """In dsops' own trail, a user with only a key id is named by that id; a session's key id is `unknown`."""
    issue = {"eventName": "AssumeRole", "eventSource": "sts.amazonaws.com", "eventTime": "2026-10-12T05:30:00Z"}
    keys = ("AKIAADA", "AKIABOB", "ASIAONE", "ASIATWO")
    lines = [json.dumps({**issue, "userIdentity": {"type": "Unknown", "accessKeyId": key}}) for key in keys]
    (tmp_path / "audit.jsonl").write_text("\n".join(lines))

    rows = rows_of(report_of(tmp_path), "principals")

    assert [row[1] for row in rows] == ["AKIAADA", "AKIABOB", "unknown"]


def test_a_session_whose_issuer_is_not_told_is_its_role(tmp_path: Path) -> None:
    """In dsops' own trail, a session without issuer is named by its role, a person's session by its full ARN."""
    issue = {"eventName": "AssumeRole", "eventSource": "sts.amazonaws.com", "eventTime": "2026-10-12T05:30:00Z"}
    session = "arn:aws-cn:sts::111111111111:assumed-role/"
    people = {f"{session}AWSReservedSSO_Dev_1a2b/{name}" for name in ("ada", "bob")}
    arns = [f"{session}{name}" for name in ("Jump/run-1", "Jump/run-2", "AWSReservedSSOx/a")]
    users = [{"type": "AssumedRole", "arn": arn} for arn in (*arns, *people)]
    (tmp_path / "audit.jsonl").write_text("\n".join(json.dumps({**issue, "userIdentity": user}) for user in users))

    rows = rows_of(report_of(tmp_path), "principals")

    role = "arn:aws-cn:iam::111111111111:role/"
    assert {role + "Jump", role + "AWSReservedSSOx", *people} == {row[1] for row in rows}


def test_an_empty_error_is_none(tmp_path: Path) -> None:
    """An empty error code counts as success, because some tools write it for successful calls."""
    answer = {"credentials": {"accessKeyId": "ASIA1", "expiration": "2026-11-20T01:00:01Z"}}
    log(tmp_path / "a.json", [record(1, "AssumeRole", errorCode="", responseElements=answer)])
    report = report_of(tmp_path)
    assert [["AssumeRole", 1, 1, 3600, 3600, None, None]] == rows_of(report, "durations")
    assert [] == rows_of(report, "failures")


def test_what_is_read_is_gone_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The temporary database has mode 0700 and is removed after the report."""
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    log(tmp_path / "a.json", [record(1)])
    seen: list[tuple[int, int]] = []

    def look(_: int) -> None:
        (folder,) = place.iterdir()
        seen.append((len(list(place.iterdir())), folder.stat().st_mode & 0o777))

    report_on(find_logs([str(tmp_path / "a.json")]), ["a.json"], report_read=look)
    assert [(1, 0o700)] == seen
    assert [] == list(place.iterdir())


def test_file_names_are_no_patterns(tmp_path: Path) -> None:
    """File names with globs, quotes, spaces and newlines are taken literally, and each file is read once."""
    names = [
        "a*.json",
        "a?.json",
        "[ab].json",
        "it's {x,y}.json.gz",
        "a\nb.json",
        "\u00e4 \u2603.json",
        "$paths.json",
        "--.json",
    ]
    for number, name in enumerate(names):
        log(tmp_path / name, [record(number)])
    log(tmp_path / "ab.json", [record(100)])
    report = report_of(tmp_path)
    assert (len(names) + 1, ()) == (report.records, report.unreadable)
    only = report_on(find_logs([str(tmp_path / "a*.json")]), ["a*.json"])
    assert 1 == only.records


def test_several_members_of_gzip_are_one_text(tmp_path: Path) -> None:
    """A gzip file of several members is read completely, although its length field covers only the last member."""
    big = gzip.compress(json.dumps({"Records": [record(n, pad="x" * 2000) for n in range(12_000)]}).encode())
    small = gzip.compress(json.dumps({"Records": [record(13_000)]}).encode())
    (tmp_path / "a.json.gz").write_bytes(big + small)
    report = report_of(tmp_path)
    assert (12_001, ()) == (report.records, report.unreadable)


def test_a_damaged_file_costs_its_own_records_only(tmp_path: Path) -> None:
    """A damaged file loses only its own records, at any position among a thousand files."""
    for number in range(1000):
        log(tmp_path / f"{number:04d}.json.gz", [record(number % 3000)])
    for number in (0, 499, 500, 999):
        path = tmp_path / f"{number:04d}.json.gz"
        path.write_bytes(path.read_bytes()[:-10])
    report = report_of(tmp_path)
    assert 996 == report.records
    assert ["0000.json.gz", "0499.json.gz", "0500.json.gz", "0999.json.gz"] == [
        os.path.basename(path) for path, _ in report.unreadable
    ]


def gzip_of_zeros(megabytes: int) -> bytes:
    """A gzip file that contains only zeros: one compressed block again and again, which is quick to make."""
    zeros = bytes(1 << 20)
    packer = zlib.compressobj(1, wbits=-15)
    block = packer.compress(zeros) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = 0
    for _ in range(megabytes):
        checksum = zlib.crc32(zeros, checksum)
    header = b"\x1f\x8b\x08" + bytes(7)
    return header + block * megabytes + packer.flush() + struct.pack("<II", checksum, megabytes << 20)


def test_a_bomb_is_one_of_the_unreadable(tmp_path: Path) -> None:
    """A gzip bomb is reported as an unreadable file, whether or not its length field is right."""
    content = gzip_of_zeros(800)
    (tmp_path / "a.json.gz").write_bytes(content)
    (tmp_path / "b.json.gz").write_bytes(content + gzip.compress(b" "))
    log(tmp_path / "c.json.gz", [record(1)])
    report = report_of(tmp_path)
    assert 1 == report.records
    assert [("a.json.gz", "it does not fit into memory"), ("b.json.gz", "it does not fit into memory")] == [
        (os.path.basename(path), why) for path, why in report.unreadable
    ]


def test_where_nothing_can_be_read_it_says_so(tmp_path: Path) -> None:
    """If no file can be read, the error gives the reason for the first file."""
    (tmp_path / "a.json").write_text("no JSON")
    with pytest.raises(LogsUnreadable, match=r"a\.json: it is not JSON, or ends too early"):
        report_of(tmp_path)
    (tmp_path / "a.json").write_text("")
    with pytest.raises(LogsUnreadable, match="it is empty"):
        report_of(tmp_path)


def test_a_pipe_a_link_and_a_hidden_file_in_the_folder(tmp_path: Path) -> None:
    """Pipes are skipped, links are followed, and hidden files, which may still be being written, are ignored."""
    os.mkfifo(tmp_path / "pipe.json")
    log(tmp_path / "a.json", [record(1)])
    log(tmp_path / ".b.json", [record(2)])
    os.symlink(tmp_path / "a.json", tmp_path / "c.json")
    os.symlink(tmp_path / "nowhere", tmp_path / "d.json")
    os.symlink(tmp_path, tmp_path / "loop")
    report = report_of(tmp_path)
    assert (2, 1) == (report.records, report.calls)
    assert [("d.json", "no such file or directory"), ("pipe.json", "it is not a regular file")] == [
        (os.path.basename(path), why) for path, why in report.unreadable
    ]


def test_lines_are_read_one_by_one(tmp_path: Path) -> None:
    """A file of JSON lines is recognised by its name or an option; a torn last line is skipped."""
    lines = f'{json.dumps(record(1))}\n{json.dumps(record(2))}\n{{"eventTime": "2026-'
    (tmp_path / "trail.jsonl").write_text(lines)
    report = report_of(tmp_path)
    assert (2, 1) == (report.records, report.skipped)
    shutil.copy(tmp_path / "trail.jsonl", tmp_path / "trail.log")
    message_text = report_on(find_logs([str(tmp_path / "trail.log")], form=Form.LINES), ["trail.log"])
    assert 2 == message_text.records


def test_empty_logs_have_empty_answers(tmp_path: Path) -> None:
    """The report on logs without calls has answers without rows, and no boundary."""
    log(tmp_path / "a.json", [])
    report = report_of(tmp_path)
    assert (0, None, None, None) == (report.calls, report.first, report.last, report.boundary)
    assert not any(answer.rows for answer in report.answers)


@pytest.mark.parametrize(
    "time",
    [
        "infinity",
        "-infinity",
        "290000-01-01",
        "10000-01-01T00:00:00Z",
        "0044-03-15 (BC)",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59-01:00",
    ],
)
def test_a_time_that_no_calendar_here_has_makes_no_record(tmp_path: Path, time: str) -> None:
    """A record with an impossible time is skipped, because it would shift the boundary of recent calls."""
    log(tmp_path / "a.json", [record(1), record(2, eventTime=time), record(3, "AssumeRole", eventTime=time)])
    report = report_of(tmp_path)
    assert (1, 2) == (report.records, report.skipped)
    assert "2026-11-20T00:00:01Z" == f"{report.last:%Y-%m-%dT%H:%M:%SZ}"


@pytest.mark.parametrize(
    ("time", "told"),
    [
        ("2026-11-20T10:00:00+02:00", "2026-11-20T08:00:00Z"),
        ("2026-11-20T10:00:00.999-0530", "2026-11-20T15:30:00Z"),
        ("2026-11-20 10:00:00+02", "2026-11-20T08:00:00Z"),
        ("2026-11-20T10:00:00.999Z", "2026-11-20T10:00:00Z"),
        ("2026-11-20T10:00:00", "2026-11-20T10:00:00Z"),
        ("2026-11-20", "2026-11-20T00:00:00Z"),
        ("1969-12-31T23:59:59.5-01:00", "1970-01-01T00:59:59Z"),
    ],
)
def test_an_offset_counts_and_none_is_utc(
    tmp_path: Path, time: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A time or expiry in a record is read with its own UTC offset, or as UTC without one, never in local time."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    times = {"expiration": time, "accessKeyId": "ASIA1"}
    log(
        tmp_path / "a.json",
        [
            record(1, eventTime=time),
            record(2, "AssumeRole", eventTime="1969-12-31T00:00:00Z", responseElements={"credentials": times}),
        ],
    )
    report = report_of(tmp_path)
    assert told == f"{report.last:%Y-%m-%dT%H:%M:%SZ}"
    request_asked = datetime.fromisoformat(told) - datetime(1969, 12, 31, tzinfo=UTC)
    assert request_asked.total_seconds() == rows_of(report, "durations")[0][4]


def test_the_last_second_of_all_is_a_time(tmp_path: Path) -> None:
    """The last second of the year 9999 is a valid time, although the boundary computation subtracts a day."""
    log(tmp_path / "a.json", [record(1, eventTime="9999-12-31T23:59:59Z")])
    report = report_of(tmp_path)
    assert (1, 0) == (report.records, report.skipped)


def test_a_folder_is_no_column(tmp_path: Path) -> None:
    """A folder with a name like `day=20` does not become a DuckDB column."""
    folder = tmp_path / "json=foo"
    folder.mkdir()
    log(folder / "a.json", [record(1)])
    assert (1, ()) == (report_of(tmp_path).records, report_of(tmp_path).unreadable)


WITHOUT_ROOM = """
import resource, sys
from dsops.audit.cloudtrail.files import find_logs
from dsops.audit.cloudtrail.reporting import report_on
from dsops.errors import LogsUnreadable

resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
try:
    report_on(find_logs([sys.argv[1]]), ["logs"])
except LogsUnreadable as error:
    print(error.message, error.why, sep="; ")
"""


@pytest.mark.parametrize("room", [1000, 500_000])
def test_where_there_is_no_room_it_says_so(tmp_path: Path, room: int) -> None:
    """If the disk is full at any point, the report fails instead of giving answers from only some files."""
    for number in range(3):
        log(tmp_path / f"{number}.json", [record(each % 3000, eventID=os.urandom(16).hex()) for each in range(20_000)])
    words = [sys.executable, "-c", WITHOUT_ROOM, str(tmp_path), str(room)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "DuckDB has too little space to sort the logs; its files can't be written\n"


@pytest.mark.parametrize("text", ["[]", '{"Events": []}', '{"Records": null}', '{"Records": {"a": 1}}', "5"])
def test_a_file_without_records_is_told(tmp_path: Path, text: str) -> None:
    """A file without records counts as a skipped element: another tool's export must not look like empty logs."""
    (tmp_path / "a.json").write_text(text)
    log(tmp_path / "b.json", [record(1)])
    log(tmp_path / "c.json", [])
    report = report_of(tmp_path)
    assert (1, 1, ()) == (report.records, report.skipped, report.unreadable)


class Full:
    """A connection whose disk is full on the first write."""

    def execute(self, sql: str, _values: object) -> Full:
        """Return nothing, or raise DuckDB's error."""
        if sql.startswith("INSERT"):
            raise duckdb.IOException('IO Error: Could not write file "calls.duckdb": No space left on device')
        return self

    def fetchall(self) -> list[object]:
        """No rows."""
        return []


def test_a_full_disk_is_no_files_fault(dirty: tuple[Path, Known], tmp_path: Path) -> None:
    """A full disk ends the report at the first file, instead of marking files as unreadable."""
    found = find_logs([str(dirty[0])])
    with pytest.raises(LogsUnreadable) as raised, open_database(), ThreadPoolExecutor(1) as apart:
        CallDatabase(Full(), apart, str(tmp_path), duckdb.Error, duckdb.FatalException).load(found.batches)
    assert str(raised.value) == "DuckDB has too little space to sort the logs"
    assert raised.value.why == "there is no room on the disk"
    assert "TMPDIR" in raised.value.hint


def test_a_folder_that_can_not_be_made_is_told(tmp_path: Path) -> None:
    """If the temporary folder cannot be created (read-only disk), the error has a hint to set TMPDIR."""
    with pytest.raises(LogsUnreadable, match="sort the logs") as raised, open_database(str(tmp_path / "absent")):
        pass
    assert raised.value.why == "no such file or directory"
    assert "TMPDIR" in raised.value.hint
