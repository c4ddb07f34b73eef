"""The trail's files: a hash chain, concurrent writers, and markers for lost, torn and removed lines."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from time import process_time
from typing import Any

import pytest

from dsops.audit import lock
from dsops.audit.chain import START, hash_of, parse_head
from dsops.audit.reading import find_trail
from dsops.audit.settings import TrailLimits
from dsops.audit.trail import append
from dsops.audit.verify import verify
from dsops.errors import AuditFailed
from tests.children import SECONDS, Child

NOW = 1_795_000_000
DAY = 86_400
LIMITS = TrailLimits()


def body(name: str, **facts: object) -> bytes:
    """Return the JSON body of a line."""
    return json.dumps({"eventName": name, "additionalEventData": facts}, separators=(",", ":")).encode()


def mark(name: str, facts: Mapping[str, object]) -> bytes:
    """Return the JSON body of a line about the trail itself."""
    return body(name, **facts)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a trail that does not exist yet."""
    return tmp_path / "state" / "dsops" / "audit.jsonl"


def write(path: Path, *names: str, now: int = NOW, limits: TrailLimits = LIMITS) -> None:
    """Append lines with these event names."""
    append(str(path), [body(name) for name in names], mark, now, limits)


def records(path: Path) -> list[dict[str, Any]]:
    """Return every line of a file, parsed."""
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def names(path: Path) -> list[str]:
    """Return the event names of a file's lines."""
    return [record["eventName"] for record in records(path)]


def findings(path: Path, noted: str = "", *, is_harmless: bool = False) -> list[str]:
    """Return the findings of `verify`."""
    verification = verify(find_trail(str(path)), noted=noted).findings
    return [f"{finding.line}: {finding.message}" for finding in verification if finding.is_harmless is is_harmless]


def head_of(path: Path) -> str:
    """Return the hash of the last line, from the head file."""
    head = parse_head(path.with_name(f"{path.name}.head").read_bytes())
    assert head is not None
    return head.hash


def edit(path: Path, change: Any) -> None:  # any function from lines to lines
    """Rewrite a file line by line, without dsops."""
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))


# --- writing ------------------------------------------------------------------------------------------------


def test_each_line_has_its_number_and_the_hash_of_the_one_before(path: Path) -> None:
    """Each line has its number and the hash of the previous line (zeros for the first line), even across writes."""
    write(path, "a", "b")
    write(path, "c")

    lines = path.read_bytes().splitlines()
    chain = [json.loads(line)["chain"] for line in lines]
    assert [link["number"] for link in chain] == [1, 2, 3]
    assert [link["previous"] for link in chain] == [START, hash_of(lines[0]), hash_of(lines[1])]
    assert head_of(path) == hash_of(lines[2])
    assert findings(path) == []


def test_files_are_their_owners_alone(path: Path) -> None:
    """The trail's folder has mode 0700 and its files 0600, whatever the umask; looser modes are tightened."""
    before = os.umask(0)
    try:
        write(path, "a")
    finally:
        os.umask(before)
    files = [path, path.with_name("audit.jsonl.head")]
    assert [file.stat().st_mode & 0o777 for file in (path.parent, *files)] == [0o700, 0o600, 0o600]

    path.chmod(0o644)
    write(path, "b")
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_full_is_put_away_and_the_chain_goes_on(path: Path) -> None:
    """A full file is rotated: its new name has its last line's number, and the next file continues the chain."""
    limits = TrailLimits(max_bytes=400)
    for name in "abcdef":
        write(path, name, limits=limits)

    older = sorted(path.parent.glob("audit.0*.jsonl"))
    assert [file.name for file in older] == ["audit.000000000002.jsonl", "audit.000000000004.jsonl"]
    assert [name for file in (*older, path) for name in names(file)] == list("abcdef")
    assert records(path)[0]["chain"]["previous"] == hash_of(older[-1].read_bytes().splitlines()[-1])
    assert findings(path) == []


def test_a_file_that_is_old_is_put_away_and_a_clock_that_goes_back_puts_none_away(path: Path) -> None:
    """A file is rotated when its first line is too old; a clock that is set back rotates nothing."""
    limits = TrailLimits(max_days=2)
    write(path, "a", now=NOW, limits=limits)
    write(path, "b", now=NOW - 400 * DAY, limits=limits)
    write(path, "c", now=NOW + DAY, limits=limits)
    assert names(path) == ["a", "b", "c"]

    write(path, "d", now=NOW + 3 * DAY, limits=limits)
    assert names(path) == ["d"]
    assert findings(path) == []


def test_what_is_too_much_is_removed_and_a_line_says_so(path: Path) -> None:
    """Files beyond the limit are removed, and a line records the removal.

    A missing beginning without such a line is a finding of `verify`.
    """
    limits = TrailLimits(max_bytes=200, keep=2)
    for name in "abcd":
        write(path, name, limits=limits)

    older = sorted(path.parent.glob("audit.0*.jsonl"))
    assert [file.name for file in older] == ["audit.000000000002.jsonl", "audit.000000000003.jsonl"]
    assert names(path) == ["TrailPruned", "d"]
    assert records(path)[0]["additionalEventData"] == {"file": "audit.000000000001.jsonl", "last": 1}
    assert findings(path) == []

    older[0].unlink()
    assert any("no line says that those before it were removed" in finding for finding in findings(path))


def test_files_too_old_are_removed(path: Path) -> None:
    """Files whose last write is too long ago are removed."""
    limits = TrailLimits(max_bytes=200, keep_days=10)
    write(path, "a", limits=limits)
    write(path, "b", limits=limits)
    old = path.parent / "audit.000000000001.jsonl"
    os.utime(old, (NOW - 11 * DAY, NOW - 11 * DAY))
    write(path, "c", limits=limits)

    assert not old.exists()
    assert names(path) == ["TrailPruned", "c"]
    assert findings(path) == []


# --- failed writes ------------------------------------------------------------------------------------------


def test_a_full_disk_leaves_the_trail_as_it_was(path: Path) -> None:
    """If a write fails halfway (disk full, here RLIMIT_FSIZE), the trail keeps its previous content."""
    write(path, "a")
    before = path.read_bytes()
    program = f"""
import resource, sys
from dsops.audit.trail import append
resource.setrlimit(resource.RLIMIT_FSIZE, ({len(before) + 100}, resource.RLIM_INFINITY))
append({str(path)!r}, [b'{{"eventName":"' + b"x" * 500 + b'"}}'], None, {NOW})
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)

    assert "AuditFailed" in done.stderr
    assert "no space left on device" in done.stderr.lower()
    assert path.read_bytes() == before
    write(path, "b")
    assert findings(path) == findings(path, is_harmless=True) == []


def test_what_stops_a_file_from_being_removed_is_told(path: Path) -> None:
    """If a file cannot be removed, the error has the system's reason, and no descriptor is closed twice.

    The number of a closed descriptor may already belong to another thread's file.
    """
    write(path, "a" * 100)
    obstacle = path.with_name("audit.000000000000.jsonl")
    obstacle.mkdir()
    open_before = len(os.listdir("/dev/fd"))

    with pytest.raises(AuditFailed) as raised:
        write(path, "b", limits=TrailLimits(max_bytes=100, keep=0))

    assert raised.value.why == "is a directory"
    assert open_before == len(os.listdir("/dev/fd"))
    obstacle.rmdir()
    write(path, "c")
    assert findings(path) == findings(path, is_harmless=True) == []


def test_a_line_that_a_crash_left_in_part_is_marked_by_the_next_one(path: Path) -> None:
    """If a crash tore a line, the next write adds a marker that contains it and starts its own line cleanly."""
    write(path, "a")
    with path.open("ab") as file:
        file.write(b'{"eventName":"b","addit')
    write(path, "c")

    lines = path.read_bytes().splitlines()
    assert lines[1] == b'{"eventName":"b","addit'
    assert [json.loads(line)["eventName"] for line in (lines[0], *lines[2:])] == ["a", "TrailDamaged", "c"]
    assert findings(path) == []
    assert len(findings(path, is_harmless=True)) == 1

    edit(path, lambda lines: [lines[0], b"another line\n", *lines[2:]])
    assert findings(path) == ["2: this is not a line of an audit trail"]


@pytest.mark.parametrize("end", [b"\n", b""])
def test_a_line_that_was_not_entered_in_the_head_is_taken_as_it_is(path: Path, end: bytes) -> None:
    """A complete line that the head file lacks (its writer was killed) is accepted, because it continues the chain."""
    write(path, "a")
    head = path.with_name("audit.jsonl.head").read_bytes()
    write(path, "b")
    path.with_name("audit.jsonl.head").write_bytes(head)
    path.write_bytes(path.read_bytes().removesuffix(b"\n") + end)
    assert findings(path) == []

    write(path, "c")
    assert names(path) == ["a", "b", "c"]
    assert findings(path) == findings(path, is_harmless=True) == []


def test_an_old_head_blocks_no_writer(path: Path) -> None:
    """If the head file is older than 25,000 lines (restored from a backup), these lines are read within a second."""
    large = TrailLimits(max_bytes=1 << 40)
    write(path, "first", limits=large)
    head = path.with_name("audit.jsonl.head")
    old = head.read_bytes()
    write(path, *[f"{number} {'x' * 400}" for number in range(25_000)], limits=large)
    head.write_bytes(old)
    begun = process_time()
    write(path, "last", limits=large)
    assert process_time() - begun < 1
    assert records(path)[-1]["chain"]["number"] == 25_002


def test_a_file_put_away_and_not_entered_in_the_head_is_no_gap(path: Path) -> None:
    """A rotated file that the head file does not mention is no gap, but a deleted file is a gap."""
    write(path, "a", "b")
    path.rename(path.parent / "audit.000000000002.jsonl")
    write(path, "c")
    assert names(path) == ["c"]
    assert findings(path) == []

    path.unlink()
    write(path, "d")
    assert names(path) == ["TrailDamaged", "d"]
    assert any("the file before this line was gone" in finding for finding in findings(path))


def _name_twice(path: Path) -> None:
    path.write_bytes(b"")
    path.with_name("other").hardlink_to(path)


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (os.mkfifo, "it is not a regular file"),
        (lambda path: path.mkdir(), "is a directory"),
        (lambda path: path.symlink_to("/dev/null"), "too many levels of symbolic links"),
        (lambda path: (path.write_bytes(b""), path.chmod(0o622)), "other users can write it"),
        (_name_twice, "it has more than one hard link"),
        (lambda path: path.parent.chmod(0o770), "other users can write it"),
    ],
)
def test_what_can_not_be_relied_on_is_not_written(path: Path, spoil: Any, why: str) -> None:
    """A pipe, folder, link or world-writable file in place of the trail is refused, without waiting for a reader."""
    path.parent.mkdir(parents=True, mode=0o700)
    spoil(path)
    with pytest.raises(AuditFailed) as caught:
        write(path, "a")
    assert caught.value.why == why
    assert caught.value.hint


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize("name", ["audit.jsonl", "audit.jsonl.head", ""])
def test_what_belongs_to_another_user_is_not_written(path: Path, name: str) -> None:
    """A trail, head file or folder that another user owns is refused."""
    write(path, "a")
    os.chown(path.parent / name, 65534, 65534)
    with pytest.raises(AuditFailed, match="is not trusted") as caught:
        write(path, "b")
    assert caught.value.why == "it belongs to another user"


def test_a_lock_that_is_held_is_not_waited_for_for_long(path: Path) -> None:
    """A writer waits up to three seconds for the lock and continues as soon as the lock is released."""
    write(path, "a")
    with path.with_name("audit.jsonl.head").open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(AuditFailed) as caught:
            write(path, "b")
        assert caught.value.why == "another process has held its lock for more than 3 s"
        timer = threading.Timer(0.05, fcntl.flock, (file, fcntl.LOCK_UN))
        timer.start()
        write(path, "c")
        timer.join(timeout=SECONDS)
    assert names(path) == ["a", "c"]


def test_a_lock_that_stays_held_costs_one_thread(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock that is never released costs one thread and two descriptors in total; after its release, writing works."""
    monkeypatch.setattr(lock, "_STUCK_SECONDS", 0.02)
    write(path, "a")
    before = len(os.listdir("/dev/fd"))
    with path.with_name("audit.jsonl.head").open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        for _ in range(5):
            with pytest.raises(AuditFailed):
                write(path, "lost")
        held_values = len(os.listdir("/dev/fd"))
    monkeypatch.undo()
    write(path, "b")
    assert held_values - before == 2  # the test's own descriptor and the waiting thread's
    assert names(path) == ["a", "b"]
    _wait_for_descriptors(before)


def _wait_for_descriptors(most: int) -> None:
    """Wait until the waiting thread has ended and closed its descriptor."""
    for _ in range(30_000):
        if len(os.listdir("/dev/fd")) <= most:
            return
        os.sched_yield()
    raise AssertionError("a descriptor stayed open")


def test_without_a_thread_nothing_waits(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If no thread can be started to wait for the lock, the write fails at once and leaves no descriptor open."""
    write(path, "a")
    before = len(os.listdir("/dev/fd"))

    def none_left(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(lock, "start_new_thread", none_left)
    with path.with_name("audit.jsonl.head").open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(AuditFailed) as caught:
            write(path, "b")
    assert caught.value.why == "no thread is left to wait for the lock"
    assert len(os.listdir("/dev/fd")) == before


def test_a_busy_trail_is_waited_for_longer_than_one_that_stands_still(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer waits longer for the lock while others write lines than while no line is written, but not forever."""
    write(path, "a")
    head = path.with_name("audit.jsonl.head")
    looked: list[float] = []
    monkeypatch.setattr(lock, "_STUCK_SECONDS", 0.02)

    def moves() -> float:
        looked.append(0.02)
        head.write_bytes(head.read_bytes()[:-2] + b"%d\n" % (len(looked) % 10))
        return sum(looked)

    monkeypatch.setattr(lock, "_LONGEST_SECONDS", 0.1)
    monkeypatch.setattr(lock, "monotonic", moves)
    with head.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(AuditFailed) as caught:
            write(path, "b")
    assert caught.value.why == "other processes have written to it for more than 0 s"
    assert len(looked) > 3


def test_a_bug_while_a_line_is_written_is_a_loss(path: Path) -> None:
    """A bug while writing a line is reported as a loss."""
    write(path, "a")
    path.unlink()
    reasons: list[str] = []

    def fails(_name: str, _facts: Mapping[str, object]) -> bytes:
        raise ValueError("spoilt")

    with pytest.raises(ValueError, match="spoilt"):
        append(str(path), [body("b")], fails, NOW, LIMITS, reasons.append)
    assert reasons == ["a bug: ValueError"]


def test_a_trail_of_a_newer_dsops_is_left_alone(path: Path) -> None:
    """If the head file has the format of a newer dsops, the trail is not written."""
    write(path, "a")
    head = path.with_name("audit.jsonl.head")
    head.write_bytes(head.read_bytes().replace(b"dsops-audit 1 ", b"dsops-audit 2 "))
    with pytest.raises(AuditFailed) as caught:
        write(path, "b")
    assert caught.value.why == "a newer version of dsops has written it in another format"
    assert names(path) == ["a"]


WRITER = """
import sys
from dsops.audit.trail import append, TrailLimits
path, who, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
limits = TrailLimits(max_bytes=4000, keep=100_000)
for number in range(count):
    append(path, [b'{"eventName":"%s-%d"}' % (who.encode(), number)], None, 1795000000, limits)
"""


def test_many_write_at_once_and_no_line_is_lost(path: Path) -> None:
    """Eight processes write 50 lines each over many files.

    The chain is valid, no line is lost, and each process's lines are in order.
    """
    command = [sys.executable, "-c", WRITER, str(path)]
    writers = [Child([*command, f"w{number}", "50"]) for number in range(8)]
    assert [writer.wait(timeout=120) for writer in writers] == [0] * 8

    trail = find_trail(str(path))
    files = [name for file in trail.files for name in names(Path(file))]
    assert sorted(files) == sorted(f"w{writer}-{number}" for writer in range(8) for number in range(50))
    for writer in range(8):
        own = [name for name in files if name.startswith(f"w{writer}-")]
        assert own == [f"w{writer}-{number}" for number in range(50)]
    assert verify(trail).findings == ()


def test_one_who_is_killed_leaves_a_trail_that_goes_on(path: Path) -> None:
    """If a writer is killed at any moment, the trail stays valid or has a marked torn line."""
    for number in range(5):
        writer = Child([sys.executable, "-c", WRITER, str(path), f"w{number}", "100000"])
        _wait_for(path, number)
        writer.send_signal(signal.SIGKILL)
        writer.wait(timeout=30)
        write(path, f"after-{number}")
    assert findings(path) == []
    trail = find_trail(str(path))
    assert {f"after-{number}" for number in range(5)} <= {name for file in trail.files for name in names(Path(file))}


def _wait_for(path: Path, number: int) -> None:
    """Wait until this writer has written a line."""
    for _ in range(30_000):
        if path.exists() and b"w%d-" % number in path.read_bytes():
            return
        os.sched_yield()
    raise AssertionError(f"writer {number} wrote nothing")


# --- tampering ------------------------------------------------------------------------------------------------


@pytest.fixture
def ten(path: Path) -> Path:
    """A trail of ten lines."""
    write(path, *[f"line-{number}" for number in range(1, 11)])
    return path


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda lines: [*lines[:3], *lines[4:]], ["4: number 5 stands here: 4 is missing before it"]),
        (lambda lines: [*lines[:3], *lines[6:]], ["4: number 7 stands here: 4 to 6 is missing before it"]),
        (
            lambda lines: [*lines[:3], lines[3].replace(b"line-4", b"line-X"), *lines[4:]],
            ["5: number 4, before this one, is not the line that was written there"],
        ),
        (lambda lines: lines[:7], ["0: the end is cut: 8 to 10 is missing"]),
        (
            lambda lines: [*lines[:9], lines[9].replace(b"line-10", b"line-XX")],
            ["0: number 10, the last one, is not the line that was written"],
        ),
        (
            lambda lines: lines[2:],
            ["1: the trail begins with number 3, and no line says that those before it were removed"],
        ),
        (lambda lines: [*lines[:5], b"not a line\n", *lines[5:]], ["6: this is not a line of an audit trail"]),
    ],
)
def test_a_cut_and_a_change_are_found(ten: Path, change: Any, found: list[str]) -> None:
    """`verify` finds removed, changed and inserted lines and reports the line at which each change shows."""
    assert findings(ten) == []
    edit(ten, change)
    assert findings(ten) == found


def test_lines_that_changed_places_are_found(ten: Path) -> None:
    """`verify` finds swapped and repeated lines."""
    edit(ten, lambda lines: [*lines[:3], lines[4], lines[3], *lines[5:]])
    assert any("stands here after" in finding for finding in findings(ten))
    edit(ten, lambda lines: [*lines[:3], lines[4], lines[3], *lines[5:], lines[9]])
    assert any("moved or repeated" in finding for finding in findings(ten))


def test_a_file_in_the_middle_that_is_gone_is_found(path: Path) -> None:
    """`verify` finds that a rotated file is missing, by the hash in the next file."""
    for name in "abcdef":
        write(path, name, limits=TrailLimits(max_bytes=400))
    (path.parent / "audit.000000000004.jsonl").unlink()
    assert findings(path) == ["1: number 5 stands here: 3 to 4 is missing before it"]


def test_a_head_that_is_gone_is_found_also_after_the_next_line(ten: Path) -> None:
    """`verify` finds that the head file was removed, even after the next line recreated it.

    A missing head file could hide a cut end.
    """
    ten.with_name("audit.jsonl.head").unlink()
    assert findings(ten) == ["0: the trail's head is gone, or can't be read: is its end cut?"]
    write(ten, "next")
    assert any("the trail's head was gone when this line was written" in finding for finding in findings(ten))


def test_a_cut_end_is_found_also_after_the_next_line(ten: Path) -> None:
    """`verify` finds that the trail's end was cut off, even after a new line with the missing line's hash."""
    edit(ten, lambda lines: lines[:7])
    write(ten, "next")
    finding_list = findings(ten)
    assert any("lines before this one had been cut off" in finding for finding in finding_list)
    assert any("8 to 10 is missing" in finding for finding in finding_list)


def test_a_rewritten_trail_is_found_by_a_hash_noted_elsewhere(ten: Path) -> None:
    """A completely forged trail is found only by a hash noted elsewhere, because a forger can rewrite every file."""
    noted = head_of(ten)
    write(ten, "next")
    assert findings(ten, noted) == []

    for file in ten.parent.iterdir():
        file.unlink()
    write(ten, *[f"forged-{number}" for number in range(1, 12)])
    assert findings(ten) == []
    assert findings(ten, noted) == [f"0: no line has the hash {noted}: the trail is not the one that it was noted from"]


def test_bytes_of_any_kind_are_no_line_and_no_failure(ten: Path) -> None:
    """Lines of any bytes (other JSON, deep nesting, NUL, lone surrogates) are findings and cause no exception."""
    no_link = b'{"chain":{"number":true,"previous":"x"}}\n'
    strange = [b"[1]\n", b"{}\n", no_link, b"[" * 5000 + b"\n", b"\0\xff\n", b"\n"]
    edit(ten, lambda lines: [*lines[:5], *strange, *lines[5:]])
    assert findings(ten) == [f"{line}: this is not a line of an audit trail" for line in range(6, 6 + len(strange))]
