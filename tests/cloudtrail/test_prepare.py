"""`audit prepare --parquet`: a report on the prepared folder equals the report on the logs, after any interruption."""

from __future__ import annotations

import gzip
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dsops.audit.cloudtrail.files import find_logs
from dsops.audit.cloudtrail.permission_questions import COVERAGE, PERMISSION_USES
from dsops.audit.cloudtrail.prepared import MANIFEST, is_prepared, read_manifest
from dsops.audit.cloudtrail.prepared_calls import opened
from dsops.audit.cloudtrail.questions import HISTORY
from dsops.audit.cloudtrail.reporting import report_on
from dsops.audit.preparing import preparation
from dsops.audit.preparing.preparation import Preparation, prepare
from dsops.audit.report import AuditReport
from dsops.config.file_lock import FileLock
from dsops.errors import FileNotWritten, LogsUnreadable, UsageError
from tests.cloudtrail.generator import generate
from tests.groups import marks_of_rest

# Far in the future, so that the files of the tests count as unchanged for long.
NOW = datetime(2126, 11, 20, tzinfo=UTC)
SINCE = datetime(2026, 10, 12, 5, 30, tzinfo=UTC)


def prepared_from(folder: Path, *logs: Path, now: datetime = NOW) -> Preparation:
    """Prepare the logs in the folder."""
    return prepare(str(folder), find_logs(map(str, logs)), now=now)


def report_of(folder: Path, **more: Any) -> AuditReport:
    """Make a report of the folder."""
    return report_on(find_logs([str(folder)]), ["logs"], **more)


def assert_same(logs: Path, prepared: Path, **more: Any) -> None:
    """Assert that the reports on the logs and on the prepared folder are equal in every figure and row."""
    assert report_of(logs, **more) == report_of(prepared, **more)


def record(number: int, **more: Any) -> dict[str, Any]:
    """A call of one second."""
    return {
        "eventTime": f"{datetime(2026, 11, 20, tzinfo=UTC) + timedelta(seconds=number):%Y-%m-%dT%H:%M:%SZ}",
        "eventName": "GetObject",
        "eventSource": "s3.amazonaws.com",
        "eventID": f"00000000-0000-0000-0000-{number:012d}",
        "userIdentity": {"type": "IAMUser", "arn": "arn:a"},
        **more,
    }


def log(path: Path, records: list[Any]) -> None:
    """Write a log file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"Records": records}).encode()
    path.write_bytes(gzip.compress(text) if path.name.endswith(".gz") else text)


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Twenty-five hundred dirty calls, and what is known about them."""
    folder = tmp_path_factory.mktemp("logs")
    return folder, generate(folder, events=2500, seed=13, is_dirty=True, has_own_trail=True)


@pytest.fixture(scope="module")
def dirty(generated: tuple[Path, dict[str, Any]]) -> Path:
    """The folder of the dirty calls."""
    return generated[0]


@pytest.fixture(scope="module")
def few(dirty: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dirty calls of three days, and the files without a day."""
    folder = tmp_path_factory.mktemp("few")
    for path in dirty.rglob("*.json*"):
        day = re.search(r"/2026/10/(\d\d)/", str(path))
        if path.stat().st_size < 1 << 20 and (day is None or day[1] in {"11", "12", "13"}):
            copy_to(path, folder / path.relative_to(dirty))
    return folder


def copy_to(path: Path, target: Path) -> None:
    """Copy a file, and make its folder."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(path, target)


@pytest.fixture(scope="module")
def prepared(dirty: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dirty calls, prepared."""
    folder = tmp_path_factory.mktemp("parquet") / "prepared"
    prepared_from(folder, dirty)
    return folder


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"by": "principal", "since": SINCE},
        {"by": "account", "sandbox": False},
        {"questions": (PERMISSION_USES, COVERAGE), "has_details": True, "since": SINCE},
    ],
    ids=["all", "since", "account", "permissions"],
)
def test_a_report_is_the_one_on_the_logs(dirty: Path, prepared: Path, options: dict[str, Any]) -> None:
    """Every row of every question, and every count and reason, equals the report on the logs, with each option."""
    report = report_of(prepared, **options)
    assert report_of(dirty, **options) == report
    assert all(answer.rows for answer in report.answers)
    assert report.unreadable
    assert report.skipped


def test_a_session_has_the_same_history(generated: tuple[Path, dict[str, Any]], prepared: Path) -> None:
    """The history of a session equals the one from the logs, hop by hop."""
    histories = generated[1]["histories"]
    names = sorted(histories, key=lambda name: -len(histories[name]["rows"]))[:1]
    assert names
    for name in names:
        assert_same(generated[0], prepared, questions=(HISTORY,), session=name)


def test_only_its_owner_can_read_it(prepared: Path) -> None:
    """Folders have mode 0700 and files 0600, since audit logs name roles, keys and addresses."""
    modes = {path: path.stat().st_mode & 0o777 for path in [prepared, *prepared.rglob("*")]}
    assert {(True, 0o700), (False, 0o600)} == {(path.is_dir(), mode) for path, mode in modes.items()}


def test_what_is_known_is_not_read_again(dirty: Path, tmp_path: Path) -> None:
    """A second run reads no file and writes nothing."""
    folder = tmp_path / "prepared"
    first = prepared_from(folder, dirty)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.parquet")}
    read: list[int] = []
    again = prepare(str(folder), find_logs([str(dirty)]), now=NOW, report_read=read.append)
    assert first.prepared == again.prepared
    assert (0, 0, []) == (again.changes.new, again.changes.changed, read)
    assert before == {path: path.stat().st_mtime_ns for path in folder.rglob("*.parquet")}


def test_a_recent_file_is_compared_by_its_content(tmp_path: Path) -> None:
    """A file that changed within the last two seconds can change again with the same time stamp: it is hashed."""
    log(tmp_path / "logs" / "a.json", [record(1)])
    recent = datetime.now(tz=UTC)
    prepared_from(tmp_path / "p", tmp_path / "logs", now=recent)
    status = (tmp_path / "logs" / "a.json").stat()
    log(tmp_path / "logs" / "a.json", [record(2)])
    os.utime(tmp_path / "logs" / "a.json", ns=(status.st_atime_ns, status.st_mtime_ns))
    done = prepared_from(tmp_path / "p", tmp_path / "logs", now=recent)
    assert done.changes.changed == 1
    assert_same(tmp_path / "logs", tmp_path / "p")


@pytest.mark.parametrize("seed", [1, 2])
def test_logs_that_come_and_change_step_by_step(few: Path, tmp_path: Path, seed: int) -> None:
    """New, changed, damaged, repaired and moved files, in any order, give the report on the logs as they are then."""
    chance = random.Random(seed)  # noqa: S311 - the same files in each run
    logs, folder = tmp_path / "logs", tmp_path / "prepared"
    paths = sorted(path for path in few.rglob("*") if path.is_file())
    chance.shuffle(paths)
    later = paths[len(paths) // 2 :]
    for part in (paths[: len(paths) // 2], later[::2], later[1::2]):
        for path in part:
            copy_to(path, logs / path.relative_to(few))
        there = sorted(path for path in logs.rglob("*.json.gz") if path.stat().st_size > 100)
        emptied, damaged, moved = chance.sample(there, 3)
        log(emptied, [record(chance.randrange(9999), eventName="AssumeRole", eventSource="sts.amazonaws.com")])
        damaged.write_bytes(damaged.read_bytes()[:-20])
        moved.rename(moved.with_name(f"moved-{moved.name}"))
        prepared_from(folder, logs)
        assert_same(logs, folder)
    for path in paths:
        copy_to(path, logs / path.relative_to(few))
    assert prepared_from(folder, logs).changes.changed
    assert_same(logs, folder)


def test_the_copy_that_counts_may_come_later_or_go(tmp_path: Path) -> None:
    """The record with an ARN counts, also if it comes later and on another day; when it goes, the first one returns."""
    logs, folder = tmp_path / "logs", tmp_path / "prepared"
    key = {"type": "AWSAccount", "accountId": "1" * 12, "principalId": "AIDA"}
    log(logs / "a.json", [record(1, userIdentity=key), record(2)])
    prepared_from(folder, logs)
    log(logs / "b.json", [record(1, eventTime="2026-11-25T00:00:00Z"), record(90_000)])
    prepared_from(folder, logs)
    assert_same(logs, folder)
    assert report_of(folder).calls == 3
    log(logs / "b.json", [record(90_000)])
    done = prepared_from(folder, logs)
    assert "2026-11-25" not in done.prepared.days
    assert_same(logs, folder)


def test_logs_that_are_gone_stay_prepared(tmp_path: Path) -> None:
    """A removed log file keeps its records, and the result counts it."""
    logs = tmp_path / "logs"
    log(logs / "a.json", [record(1)])
    log(logs / "b.json", [record(2)])
    prepared_from(tmp_path / "p", logs)
    before = report_of(tmp_path / "p")
    (logs / "a.json").unlink()
    done = prepared_from(tmp_path / "p", logs)
    assert (1, 2) == (done.changes.kept, done.prepared.files)
    assert before == report_of(tmp_path / "p")


def test_lines_of_a_sandbox_are_left_out_or_not(tmp_path: Path) -> None:
    """Lines of a sandbox are counted only with `sandbox`, also if they are copies of a call outside of it."""
    logs, folder = tmp_path / "logs", tmp_path / "prepared"
    logs.mkdir()
    mark = {"additionalEventData": {"sandbox": "true"}}
    lines = [record(1), record(1, **mark, userIdentity={"type": "Root"}), record(2, **mark), record(3)]
    lines += [record(4, **mark, eventTime=None), record(5, eventTime=None)]
    (logs / "trail.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines) + "{")
    log(logs / "aws.json", [record(6, **mark)])
    prepared_from(folder, logs)
    assert_same(logs, folder, sandbox=True)
    assert_same(logs, folder, sandbox=False)
    counts = [(each.calls, each.left_out) for each in (report_of(folder), report_of(folder, sandbox=False))]
    assert [(4, 0), (3, 3)] == counts


def test_prepared_logs_and_others_are_one_report(dirty: Path, prepared: Path, tmp_path: Path) -> None:
    """A report on a prepared folder and on further logs counts each call once."""
    files = sorted(path for path in dirty.rglob("*.json.gz") if path.stat().st_size > 100)
    both = report_on(find_logs([str(prepared), *map(str, files[:3])]), ["logs"])
    alone = report_of(prepared)
    assert alone.calls == both.calls
    assert alone.answers == both.answers
    assert alone.files is not None
    assert alone.files + 3 == both.files
    prepared_from(tmp_path / "half", *files[:5])
    assert report_on(find_logs([str(prepared), str(tmp_path / "half")]), ["logs"]).answers == alone.answers


def test_no_logs_have_empty_answers(tmp_path: Path) -> None:
    """Prepared logs without calls give an empty report."""
    log(tmp_path / "logs" / "a.json", [])
    prepared_from(tmp_path / "p", tmp_path / "logs")
    assert_same(tmp_path / "logs", tmp_path / "p")


KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from dsops.audit.preparing import merging, preparation
from dsops.audit.cloudtrail.files import find_logs

def kill(module, name, count):
    original = getattr(module, name)
    def replaced(*values, **more):
        nonlocal count
        count -= 1
        if count == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*values, **more)
    setattr(module, name, replaced)

preparation._PART_BYTES = 30_000
kill({"merging": merging, "preparation": preparation}[sys.argv[3]], sys.argv[4], int(sys.argv[5]))
preparation.prepare(sys.argv[2], find_logs([sys.argv[1]]), now=datetime(2126, 1, 1, tzinfo=UTC))
"""


POINTS = (
    ("merging", "_settle", 3, "new"),
    ("preparation", "write_list", 1, "half"),
    ("preparation", "write_manifest", 1, "new"),
    ("merging", "_settle", 30, "half"),
    ("preparation", "write_manifest", 2, "new"),
    ("preparation", "remove_unlisted", 2, "half"),
)


@pytest.mark.parametrize(
    ("module", "name", "count", "first"),
    [pytest.param(*case, marks=marks_of_rest(number, 3)) for number, case in enumerate(POINTS)],
)
def test_a_killed_run_is_repaired_by_the_next(
    few: Path, tmp_path: Path, module: str, name: str, count: int, first: str
) -> None:
    """After `kill -9` at any point, a report gives the old answers or an error, and the next run makes it right."""
    folder, logs = tmp_path / "prepared", tmp_path / "logs"
    files = sorted(few.rglob("*.json.gz"))
    if first == "half":
        for path in files[::2]:
            copy_to(path, logs / path.relative_to(few))
        prepared_from(folder, logs)
    before = report_of(folder) if first == "half" else None
    shutil.copytree(few, logs, dirs_exist_ok=True)

    words = [sys.executable, "-c", KILLED, str(logs), str(folder), module, name, str(count)]
    done = subprocess.run(words, capture_output=True, timeout=120, check=False)

    assert -signal.SIGKILL == done.returncode, done.stderr
    if is_prepared(str(folder)) and read_manifest(str(folder)).is_complete:
        assert report_of(folder) == (report_of(logs) if name == "remove_unlisted" else before)
    elif is_prepared(str(folder)):
        with pytest.raises(LogsUnreadable, match="incomplete"):
            report_of(folder)
    prepared_from(folder, logs)
    assert_same(logs, folder)
    listed = {*read_manifest(str(folder)).paths(("issues", "others", "copies", "keys"))}
    assert listed == {str(path) for path in folder.rglob("*.parquet")}


def test_an_interrupted_run_goes_on_where_it_stopped(
    few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C keeps the parts that are finished: the next run does not read them again."""
    monkeypatch.setattr(preparation, "_PART_BYTES", 30_000)

    def interrupt(_: int) -> None:
        if is_prepared(str(tmp_path / "p")):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(str(tmp_path / "p"), find_logs([str(few)]), now=NOW, report_read=interrupt)
    with pytest.raises(LogsUnreadable, match="incomplete") as raised:
        report_of(tmp_path / "p")
    assert "again" in raised.value.hint
    done = prepared_from(tmp_path / "p", few)
    assert done.changes.unchanged
    assert done.changes.new
    assert_same(few, tmp_path / "p")


def test_one_run_at_a_time(few: Path, tmp_path: Path) -> None:
    """A second process is refused while the first one writes."""
    lock = FileLock(str(tmp_path / "p" / MANIFEST))
    assert lock.take()
    with pytest.raises(UsageError, match="another process"):
        prepared_from(tmp_path / "p", few)
    lock.release()
    prepared_from(tmp_path / "p", few)


def test_a_report_keeps_its_files_while_new_ones_are_written(tmp_path: Path) -> None:
    """Files that a report reads are removed only by a run after the report."""
    logs, folder = tmp_path / "logs", tmp_path / "p"
    log(logs / "a.json", [record(1)])
    prepared_from(folder, logs)
    with opened([str(folder)]) as (state,):
        log(logs / "b.json", [record(2)])
        prepared_from(folder, logs)
        assert all(os.path.exists(path) for path in state.paths(("others", "keys", "issues")))
    log(logs / "c.json", [record(3)])
    prepared_from(folder, logs)
    assert len(list(folder.rglob("others-*.parquet"))) == 1
    assert_same(logs, folder)


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    """A folder with files that dsops did not write is not touched."""
    log(tmp_path / "logs" / "a.json", [record(1)])
    with pytest.raises(UsageError, match=r"has other files, such as a\.json"):
        prepared_from(tmp_path / "logs", tmp_path / "logs")


@pytest.mark.parametrize(
    ("text", "why"), [("{", "damaged"), ("[]", "damaged"), ('{"layout": "x"}', "another version"), ("\xff", "damaged")]
)
def test_a_damaged_manifest_is_an_error(tmp_path: Path, text: str, why: str) -> None:
    """A damaged manifest, or one of another version, is an error with a hint, for the report and the next run."""
    log(tmp_path / "logs" / "a.json", [record(1)])
    prepared_from(tmp_path / "p", tmp_path / "logs")
    (tmp_path / "p" / MANIFEST).write_text(text, encoding="latin-1")
    for run in (lambda: report_of(tmp_path / "p"), lambda: prepared_from(tmp_path / "p", tmp_path / "logs")):
        with pytest.raises(LogsUnreadable) as raised:
            run()
        assert why in f"{raised.value} {raised.value.why}"
        assert "remove the folder" in raised.value.hint


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    """A Parquet file that was removed or damaged by hand is an error, not a smaller figure."""
    log(tmp_path / "logs" / "a.json", [record(1)])
    prepared_from(tmp_path / "p", tmp_path / "logs")
    (path,) = (tmp_path / "p").rglob("others-*.parquet")
    path.write_bytes(b"PAR1 no")
    with pytest.raises(LogsUnreadable, match="can't be read"):
        report_of(tmp_path / "p")
    path.unlink()
    with pytest.raises(LogsUnreadable, match="can't be read"):
        report_of(tmp_path / "p")


def test_where_it_can_not_be_written_it_says_so(tmp_path: Path) -> None:
    """A folder that can't be made is an error with the reason."""
    log(tmp_path / "logs" / "a.json", [record(1)])
    (tmp_path / "file").write_text("")
    with pytest.raises(FileNotWritten, match="can't be written") as raised:
        prepared_from(tmp_path / "file" / "p", tmp_path / "logs")
    assert raised.value.why == "not a directory"
