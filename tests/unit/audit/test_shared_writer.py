"""Threads share a writer: queued lines go into one write, and each thread gets its own result."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic, sleep

import pytest

from dsops.audit import lock, shared_writer
from dsops.audit.reading import find_trail
from dsops.audit.settings import TrailLimits
from dsops.audit.shared_writer import SharedWriter
from dsops.audit.trail import WriteResult
from dsops.audit.verify import verify
from dsops.errors import AuditFailed
from tests.children import SECONDS

NOW = 1_795_000_000
THREADS = 20


def fail(_wait: Callable[[], None]) -> None:
    """Fail, as `outside` of a test in which no thread waits."""
    raise AssertionError("a thread waits")


class Scene:
    """A trail and the threads that write to it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "state" / "audit.jsonl"
        self.writer = SharedWriter()
        self.lost: list[str] = []

    def write(self, *names: str) -> WriteResult | AuditFailed:
        """Write lines with these event names; return the result or the error."""
        bodies = [json.dumps({"eventName": name}).encode() for name in names]
        try:
            entry = self.writer.queue(str(self.path), bodies, lambda why: self.lost.extend([why] * len(names)))
            return self.writer.write(entry, lambda name, _: b'{"eventName":"%s"}' % name.encode(), NOW, TrailLimits())
        except AuditFailed as error:
            return error

    def names(self) -> list[str]:
        """Return the event names in the trail."""
        return [json.loads(line)["eventName"] for line in self.path.read_bytes().splitlines()]

    def wait_for(self, count: int) -> None:
        """Wait until this many threads are queued behind the writer."""
        until = monotonic() + 30
        while sum(map(len, self.writer._queues.values())) < count:
            assert monotonic() < until
            sleep(0.001)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """A trail that does not exist yet."""
    return Scene(tmp_path)


def run_behind_a_lock(scene: Scene, work: Sequence[tuple[str, ...]], *, is_released: bool) -> list[object]:
    """Return the results of threads that write while another process holds the trail's lock."""
    head = scene.path.with_name("audit.jsonl.head")
    with head.open("rb") as file, ThreadPoolExecutor(len(work)) as pool:
        fcntl.flock(file, fcntl.LOCK_EX)
        outcomes = [pool.submit(scene.write, *names) for names in work]
        scene.wait_for(len(work) - 1)
        if is_released:
            fcntl.flock(file, fcntl.LOCK_UN)
        return [outcome.result(timeout=SECONDS) for outcome in outcomes]


def test_lines_that_wait_go_into_one_write(scene: Scene) -> None:
    """Lines that wait for the lock are written in one write; each thread's lines stay together and in order."""
    scene.write("first")
    work = [(f"a{number}", f"b{number}") for number in range(THREADS)]
    outcomes = run_behind_a_lock(scene, work, is_released=True)

    assert len({outcome.head.number for outcome in outcomes if isinstance(outcome, WriteResult)}) == 2
    names = scene.names()[1:]
    assert sorted(zip(names[::2], names[1::2], strict=True)) == sorted(work)
    assert verify(find_trail(str(scene.path))).findings == ()
    assert scene.writer.finish(0)


def test_that_a_trail_was_begun_is_told_to_one_thread(scene: Scene) -> None:
    """If several threads start the trail, only one gets the note about the new trail."""
    scene.write("made")
    scene.path.unlink()
    scene.path.with_name("audit.jsonl.head").write_bytes(b"")
    outcomes = run_behind_a_lock(scene, [(f"{number}",) for number in range(THREADS)], is_released=True)
    assert [outcome.is_first for outcome in outcomes if isinstance(outcome, WriteResult)].count(True) == 1


def test_each_thread_learns_that_its_lines_are_lost(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the lock is never released, each thread gets its own error, and each line is counted as lost."""
    monkeypatch.setattr(lock, "_STUCK_SECONDS", 2.0)
    scene.write("first")
    outcomes = run_behind_a_lock(scene, [(f"{number}",) for number in range(THREADS)], is_released=False)
    assert len({id(outcome) for outcome in outcomes}) == THREADS
    assert all(isinstance(outcome, AuditFailed) for outcome in outcomes)
    assert len(scene.lost) == THREADS
    assert isinstance(scene.write("last"), WriteResult)
    assert scene.names() == ["first", "last"]


def test_only_a_slow_trail_is_written_outside_the_turn(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write passes to `outside` only if the write before it took long."""
    calls: list[str] = []

    def outside(wait: Callable[[], None]) -> None:
        calls.append("waits")
        wait()

    for slow_seconds in (60.0, -1.0, 60.0, 60.0):
        monkeypatch.setattr(shared_writer, "_SLOW_SECONDS", slow_seconds)
        calls.append("writes")
        entry = scene.writer.queue(str(scene.path), [b"{}"], scene.lost.append)
        scene.writer.write(entry, lambda _name, _facts: b"{}", NOW, TrailLimits(), outside)

    assert calls == ["writes", "writes", "writes", "waits", "writes"]


def test_a_thread_writes_the_lines_of_all(scene: Scene) -> None:
    """The first thread that writes also writes the lines that are queued; the others get the result without a wait."""
    entries = [scene.writer.queue(str(scene.path), [b"{}"], scene.lost.append) for _ in range(3)]
    results = [scene.writer.write(entry, lambda _name, _facts: b"{}", NOW, TrailLimits(), fail) for entry in entries]

    assert [result.head.number for result in results] == [3, 3, 3]
    assert [result.is_first for result in results] == [True, False, False]


def test_trails_do_not_wait_for_each_other(tmp_path: Path) -> None:
    """A locked trail does not delay writes to another trail."""
    stuck, other = Scene(tmp_path / "stuck"), Scene(tmp_path / "other")
    other.writer = stuck.writer
    stuck.write("first")
    with stuck.path.with_name("audit.jsonl.head").open("rb") as file, ThreadPoolExecutor(1) as pool:
        fcntl.flock(file, fcntl.LOCK_EX)
        waiting = pool.submit(stuck.write, "waits")
        assert isinstance(other.write("goes on"), WriteResult)
        assert not waiting.done()
        fcntl.flock(file, fcntl.LOCK_UN)
        assert isinstance(waiting.result(timeout=SECONDS), WriteResult)
