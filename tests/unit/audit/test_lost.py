"""Lines that could not be written are counted in a file of fixed size; the next line reports them."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from dsops.audit import lost_lines, trail
from dsops.audit.lost_lines import Author, LostLines, ProcessLoss, count_lost, loss_of
from dsops.audit.reading import find_trail
from dsops.audit.settings import TrailLimits
from dsops.audit.trail import append
from dsops.audit.verify import verify
from tests.children import wait_for

NOW = 1_795_000_000
THEN, LATER = "2026-11-18T11:06:40Z", "2026-11-18T11:07:10Z"


def mark(name: str, facts: Mapping[str, object]) -> bytes:
    """Return the JSON body of a line about the trail itself."""
    return json.dumps({"eventName": name, "additionalEventData": facts}).encode()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a trail with one line."""
    path = tmp_path / "state" / "audit.jsonl"
    write(path)
    return path


def write(path: Path) -> None:
    """Append a line."""
    append(str(path), [b'{"eventName":"Exec"}'], mark, NOW, TrailLimits())


def count(path: Path, pid: int, lines: int, why: str = "held", now: int = NOW) -> bool:
    """Count lines that a process lost; return whether it could be counted."""
    return count_lost(str(path), Author(pid, "get"), lines, why, now)


def told(path: Path) -> list[dict[str, Any]]:
    """Return the facts of all TrailLost lines."""
    records = [json.loads(line) for line in path.read_bytes().splitlines()]
    return [record["additionalEventData"] for record in records if record["eventName"] == "TrailLost"]


def findings(path: Path) -> list[str]:
    """Return the findings of `verify`; assert that none of them is harmless."""
    verification = verify(find_trail(str(path))).findings
    assert not any(finding.is_harmless for finding in verification)
    return [finding.message for finding in verification]


def test_a_loss_is_told_once_by_the_next_line(path: Path) -> None:
    """`verify` reports a loss, and the next line records it once, with times, processes and last reason."""
    assert findings(path) == []
    assert count(path, 7, 2)
    assert count(path, 8, 1, "full", NOW + 60)
    assert count(path, 7, 3, "full", NOW + 30)
    text = "from {} to {}, by get (process 7: 5), get (process 8: 1): full"
    assert findings(path) == [f"6 lines were lost after the last line, {text.format(THEN, LATER)}"]

    write(path)
    write(path)
    [loss] = told(path)
    assert loss_of(loss) == LostLines(6, THEN, LATER, (ProcessLoss(7, "get", 5), ProcessLoss(8, "get", 1)), "full")
    assert findings(path) == [f"6 lines were lost before this line, {text.format(THEN, LATER)}"]
    assert count(path, 9, 1)
    write(path)
    assert [facts["lines"] for facts in told(path)] == [6, 1]


def test_one_line_is_told_as_one(path: Path) -> None:
    """The report of a single lost line has one time, not a period."""
    count(path, 7, 1)
    assert findings(path) == [f"1 line was lost after the last line, at {THEN}, by get (process 7: 1): held"]


def test_the_count_never_grows(path: Path) -> None:
    """The count file has a fixed size: it names twenty processes, sums up the others, and cuts long reasons."""
    file = path.with_name("audit.jsonl.lost")
    size = file.stat().st_size
    for number in range(100):
        assert count_lost(str(path), Author(4_194_304 + number, "c" * 300), 1 << 40, "\u00e9" * 900, NOW)
    assert file.stat().st_size == size == 4096
    write(path)
    [loss] = told(path)
    assert (loss["lines"], len(loss["processes"])) == (100 << 40, 20)
    [finding] = findings(path)
    assert f"other processes ({80 << 40})" in finding


@pytest.mark.parametrize("text", ["{", "[1]", '{"lines": "2"}', '{"lines": 1, "processes": [{}]}', "\0x", "9" * 5000])
def test_a_damaged_count_is_a_loss_of_unknown_size(path: Path, text: str) -> None:
    """A damaged count file is reported as a loss of unknown size; the next loss is counted as usual."""
    path.with_name("audit.jsonl.lost").write_text(text.ljust(4096))
    assert findings(path) == ["lines were lost after the last line, and it is not known how many"]
    write(path)
    assert told(path)[0]["lines"] == 0
    assert findings(path) == ["lines were lost before this line, and it is not known how many"]
    count(path, 7, 1)
    write(path)
    assert [facts["lines"] for facts in told(path)] == [0, 1]


def test_a_count_that_was_cut_off_is_told(path: Path) -> None:
    """A truncated count file is reported and restored to its full size."""
    file = path.with_name("audit.jsonl.lost")
    count(path, 7, 1)
    os.truncate(file, 20)
    write(path)
    assert (told(path)[0]["lines"], file.read_bytes().strip(), file.stat().st_size) == (0, b"", 4096)


def test_a_file_that_others_may_write_counts_nothing(path: Path) -> None:
    """A count file that other users can write is neither written nor trusted, and `verify` reports it."""
    file = path.with_name("audit.jsonl.lost")
    file.chmod(0o666)
    assert not count(path, 7, 1)
    text = "lines may have been lost after the last one: their number is unknown (other users can write it)"
    assert findings(path) == [text]
    file.unlink()
    file.symlink_to(path)
    assert not count(path, 7, 1)


def test_a_count_that_another_process_holds_is_told_later(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If another process has locked the count file, the trail is still written and the loss is reported later."""
    count(path, 7, 1)
    monkeypatch.setattr(lost_lines, "_TRIES", 2)
    with path.with_name("audit.jsonl.lost").open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        write(path)
        assert told(path) == []
        assert not count(path, 7, 1)
    write(path)
    assert [facts["lines"] for facts in told(path)] == [1]


def test_who_is_stopped_while_it_tells_of_a_loss_keeps_none_from_counting(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that is stopped while it reports a loss does not keep others from counting theirs.

    The stopped process holds the trail's lock, so other processes lose lines. The line after the stopped process's own
    line reports these.
    """
    count(path, 7, 2)
    add = trail._Writer._add

    def slow(*arguments: Any) -> Any:
        assert count(path, 8, 1, "held", NOW + 30)
        assert count(path, 7, 1, "held", NOW + 30)
        return add(*arguments)

    monkeypatch.setattr(trail._Writer, "_add", slow)
    monkeypatch.setattr(lost_lines, "_TRIES", 2)
    write(path)
    monkeypatch.undo()
    write(path)
    write(path)
    first, second = map(loss_of, told(path))
    assert first == LostLines(2, THEN, THEN, (ProcessLoss(7, "get", 2),), "held")
    assert second == LostLines(2, LATER, LATER, (ProcessLoss(7, "get", 1), ProcessLoss(8, "get", 1)), "held")


def test_many_processes_count_at_once(path: Path) -> None:
    """Eight processes count losses while others write and report losses, and no loss is forgotten."""
    children = []
    for _ in range(8):
        child = os.fork()
        if not child:
            is_done = False
            try:
                is_done = all(count(path, os.getpid(), 1) for _ in range(25))
            finally:
                os._exit(not is_done)
        children.append(child)
    for _ in range(50):
        write(path)
    assert [wait_for(child) for child in children] == [0] * 8
    write(path)
    assert sum(facts["lines"] for facts in told(path)) == 200
    assert verify(find_trail(str(path))).lines == 52 + len(told(path))
