"""The sender reads the trail as a queue: receivers get lines in order, at least once, and losses are reported."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from dsops.audit import cursors
from dsops.audit.cursors import Cursor, SenderTurn
from dsops.audit.following import Position, end_of
from dsops.audit.sender import Clock, Sender, run, send_all, sending, take_turn
from dsops.audit.settings import Settings, TrailLimits
from dsops.audit.sinks import Sink
from dsops.audit.trail import append
from dsops.errors import AuditFailed, LineRefused, SinkFailed

NOW = 1_795_000_000
ONE, OTHER = Sink("syslog", "/one"), Sink("otlp", "https://other")
SMALL = TrailLimits(max_bytes=4096, keep=2)


class Hours(Clock):
    """A clock that moves by waiting; `meanwhile` runs during each wait."""

    def __init__(self) -> None:
        self.time = float(NOW)
        self.waits: list[float] = []
        self.meanwhile: Callable[[], None] = lambda: None

    def now(self) -> float:
        """Return the current time."""
        return self.time

    def steady(self) -> float:
        """Return the time waited so far."""
        return sum(self.waits)

    def sleep(self, seconds: float) -> None:
        """Wait without using real time."""
        self.waits.append(seconds)
        self.time += seconds
        self.meanwhile()


class Receivers:
    """Stub receivers that accept every line, unless `mood` decides otherwise."""

    def __init__(self) -> None:
        self.taken: dict[str, list[str]] = {ONE.name: [], OTHER.name: []}
        self.attempts: list[str] = []
        self.mood: Callable[[Sink, Sequence[str]], str] = lambda _sink, _names: ""

    def __call__(self, sink: Sink, lines: Sequence[bytes]) -> str:
        """Receive lines."""
        self.attempts.append(sink.name)
        names = [json.loads(line)["eventName"] for line in lines]
        result_text = self.mood(sink, names)
        self.taken[sink.name] += names
        return result_text


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a trail with one line."""
    path = tmp_path / "audit.jsonl"
    write(path, "before")
    return path


@pytest.fixture
def clock() -> Hours:
    """Return a clock for this test."""
    return Hours()


@pytest.fixture
def receivers() -> Receivers:
    """Receivers that accept every line."""
    return Receivers()


def body(name: str, facts: Mapping[str, object] = {}) -> bytes:
    """Return the JSON body of a line."""
    return json.dumps({"eventName": name, "additionalEventData": dict(facts)}, separators=(",", ":")).encode()


def write(path: Path, *names: str, limits: TrailLimits = TrailLimits()) -> None:  # noqa: B008 - a value
    """Append a line for each name."""
    for name in names:
        append(str(path), [body(name)], body, NOW, limits)


def sender(path: Path, receivers: Receivers, clock: Hours, *sinks: Sink) -> Sender:
    """Return a sender as in a new process."""
    return Sender(Settings(file=str(path), sinks=sinks or (ONE,)), receivers, clock)


def go(path: Path, receivers: Receivers, clock: Hours, *sinks: Sink) -> None:
    """Run one sending process to its end."""
    turn = SenderTurn(str(path))
    assert take_turn(turn, clock)
    run(sender(path, receivers, clock, *sinks), turn, clock)
    turn.close()


def begin(path: Path, *sinks: Sink) -> None:
    """Set the receivers' cursors to the end of the trail."""
    cursors.save(str(path), {sink.name: Cursor(end_of(str(path))) for sink in sinks or (ONE,)})


def refuse(text: str) -> Callable[[Sink, Sequence[str]], str]:
    """Return a mood that refuses all lines."""

    def mood(_sink: Sink, _names: Sequence[str]) -> str:
        raise SinkFailed(text)

    return mood


@pytest.mark.parametrize(("sends", "taken"), [(False, ["A", "C"]), (True, ["A", "B", "C"])])
def test_lines_of_a_sandbox_are_sent_when_that_is_configured(
    path: Path, receivers: Receivers, clock: Hours, *, sends: bool, taken: list[str]
) -> None:
    """Lines from a sandbox are sent only if `send_sandbox` is on; otherwise the cursor skips them."""
    begin(path)
    for name, facts in (("A", {}), ("B", {"sandbox": True}), ("C", {"sandbox": "yes"})):
        append(str(path), [body(name, facts)], body, NOW, TrailLimits())
    settings = Settings(file=str(path), sinks=(ONE,), sends_sandbox=sends)
    line_sender = Sender(settings, receivers, clock)
    while line_sender.round():
        pass
    assert (receivers.taken[ONE.name], line_sender.is_done()) == (taken, True)


def test_lines_go_out_once_and_in_order(path: Path, receivers: Receivers, clock: Hours) -> None:
    """Successive processes send each line once and in order; a newly configured receiver starts with the next line."""
    begin(path)
    write(path, "A", "B")
    go(path, receivers, clock)
    write(path, "C")
    go(path, receivers, clock)
    go(path, receivers, clock)
    assert receivers.taken[ONE.name] == ["A", "B", "C"]


def test_lines_are_found_in_files_that_were_put_away(path: Path, receivers: Receivers, clock: Hours) -> None:
    """The sender also sends the lines in rotated files."""
    begin(path)
    names = [f"E{number}" for number in range(100)]
    write(path, *names, limits=SMALL._replace(keep=1000))
    go(path, receivers, clock)
    assert receivers.taken[ONE.name] == names


def test_what_was_removed_before_it_was_sent_is_told(path: Path, receivers: Receivers, clock: Hours) -> None:
    """Lines that were removed before they were sent are reported by number, and the remaining lines are sent."""
    begin(path)
    write(path, *(f"E{number}" for number in range(150)), limits=SMALL)
    go(path, receivers, clock)
    cursor = cursors.load(str(path))[ONE.name]
    first = int(next(name for name in receivers.taken[ONE.name] if name.startswith("E"))[1:])
    assert first > 0
    assert receivers.taken[ONE.name][-1] == "E149"
    assert cursor.lost.startswith("lines 2 to ")
    assert cursor.lost.endswith(" were removed before they were sent")


def test_a_receiver_that_fails_is_tried_later_and_later_and_then_left_alone(
    path: Path, receivers: Receivers, clock: Hours
) -> None:
    """A failing receiver is retried at growing intervals for half a minute, then pauses; no line is lost.

    The reason and time of the failure are noted.
    """
    begin(path)
    write(path, "A")
    receivers.mood = refuse("connection refused")
    go(path, receivers, clock)
    assert len(receivers.attempts) == 6
    assert 31 <= clock.time - NOW < 40
    cursor = cursors.load(str(path))[ONE.name]
    assert (cursor.failure, cursor.since, cursor.position.number) == ("connection refused", NOW, 1)

    go(path, receivers, clock)
    assert len(receivers.attempts) == 6  # no attempt while the receiver rests
    clock.time += 100
    receivers.mood = Receivers().mood
    go(path, receivers, clock)
    assert receivers.taken[ONE.name] == ["A"]
    assert cursors.load(str(path))[ONE.name].failure == ""


def test_a_receiver_that_comes_back_meanwhile_gets_all(path: Path, receivers: Receivers, clock: Hours) -> None:
    """If a receiver recovers within half a minute, the same process sends it all lines."""
    begin(path)
    write(path, "A")
    receivers.mood = refuse("connection refused")

    def meanwhile() -> None:
        if clock.time > NOW + 5:
            receivers.mood = Receivers().mood

    clock.meanwhile = meanwhile
    go(path, receivers, clock)
    assert receivers.taken[ONE.name] == ["A"]


def test_a_receiver_that_wants_to_be_left_alone_is(path: Path, receivers: Receivers, clock: Hours) -> None:
    """A receiver gets no lines before its Retry-After has passed."""
    begin(path)
    write(path, "A")

    def mood(_sink: Sink, _names: Sequence[str]) -> str:
        error = SinkFailed("the receiver answered with status 503")
        error.seconds = 1000
        raise error

    receivers.mood = mood
    go(path, receivers, clock)
    assert len(receivers.attempts) == 1
    assert cursors.load(str(path))[ONE.name].retry_at >= NOW + 1000


def test_one_that_fails_holds_up_no_other(path: Path, receivers: Receivers, clock: Hours) -> None:
    """A failing receiver does not delay other receivers, because each receiver has its own cursor."""
    begin(path, ONE, OTHER)
    write(path, "A", "B")

    def mood(sink: Sink, _names: Sequence[str]) -> str:
        if sink == ONE:
            raise SinkFailed("no")
        return ""

    receivers.mood = mood
    go(path, receivers, clock, ONE, OTHER)
    assert receivers.taken == {ONE.name: [], OTHER.name: ["A", "B"]}


@pytest.mark.parametrize("taken", [True, False])
def test_a_line_that_is_refused_is_left_out_and_told(
    path: Path, receivers: Receivers, clock: Hours, *, taken: bool
) -> None:
    """A refused line is skipped and reported, even if the sender has to bisect for it; other lines are sent once."""
    begin(path)
    names = [f"E{number}" for number in range(20)]
    write(path, *names)

    def mood(_sink: Sink, asked: Sequence[str]) -> str:
        if "E7" in asked:
            error = LineRefused("too long")
            if taken:
                error.taken = asked.index("E7")
                receivers.taken[ONE.name] += asked[: error.taken]
            raise error
        return ""

    receivers.mood = mood
    go(path, receivers, clock)
    assert receivers.taken[ONE.name] == [name for name in names if name != "E7"]
    assert cursors.load(str(path))[ONE.name].lost == "line 9 was refused: too long"


def test_what_it_did_not_take_of_them_is_told(path: Path, receivers: Receivers, clock: Hours) -> None:
    """If a receiver reports a partial success, the rejected lines are reported but not sent again."""
    begin(path)
    write(path, "A")
    receivers.mood = lambda _sink, _names: "it did not take 1 of them"
    go(path, receivers, clock)
    go(path, receivers, clock)
    assert receivers.attempts == [ONE.name]
    assert cursors.load(str(path))[ONE.name].lost == "it did not take 1 of them"


def test_what_comes_while_it_lingers_is_sent_by_the_same(path: Path, receivers: Receivers, clock: Hours) -> None:
    """The sending process waits a while and also sends lines that are written during the wait.

    Their writers need not start a sender.
    """
    begin(path)
    write(path, "A")
    wrote: list[float] = []

    def meanwhile() -> None:
        if clock.time > NOW + 1 and not wrote:
            wrote.append(clock.time)
            write(path, "B")

    clock.meanwhile = meanwhile
    go(path, receivers, clock)
    assert receivers.taken[ONE.name] == ["A", "B"]

    class Last(SenderTurn):
        """A sender turn during whose last call to a receiver another line is written."""

        has_come = False

        def give(self) -> None:
            if not self.has_come:
                self.has_come = True
                write(path, "C")
            super().give()

    turn = Last(str(path))
    assert take_turn(turn, clock)
    run(sender(path, receivers, clock), turn, clock)
    turn.close()
    assert receivers.taken[ONE.name] == ["A", "B", "C"]


def test_only_one_sends_at_a_time(path: Path, clock: Hours) -> None:
    """Only one process sends at a time; a second one gives up within a second."""
    first, second = SenderTurn(str(path)), SenderTurn(str(path))
    assert take_turn(first, clock)
    assert not take_turn(second, clock)
    assert sum(clock.waits) < 1
    first.give()
    assert take_turn(second, clock)


def test_who_asks_waits_until_another_has_given_up(path: Path, clock: Hours) -> None:
    """`send_all` waits until another sending process gives up, then reports the receiver's failure."""
    gone = Sink("syslog", str(path.with_name("no-socket")))
    begin(path, gone)
    write(path, "a")
    holder = SenderTurn(str(path))
    assert take_turn(holder, clock)
    another = Sender(Settings(file=str(path), sinks=(gone,)), sending({}, clock), clock)
    # The other process's turn: it works while `send_all` waits, and gives up as `run` does.
    clock.meanwhile = lambda: holder.give() if not another.round() and another.is_done() else None

    status = send_all(Settings(file=str(path), sinks=(gone,)), {}, clock)

    assert status.cursors[gone.name].failure == "no such file or directory"


def test_a_full_disk_sends_twice_rather_than_not_at_all(
    path: Path, receivers: Receivers, clock: Hours, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the cursor cannot be saved (disk full), lines are sent twice rather than lost."""
    begin(path)
    write(path, "A")
    real = os.write

    def full(descriptor: int, data: bytes) -> int:
        if os.readlink(f"/proc/self/fd/{descriptor}").endswith(".new"):
            raise OSError(28, "No space left on device")
        return real(descriptor, data)

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        go(path, receivers, clock)
    assert receivers.taken[ONE.name] == ["A"]
    go(path, receivers, clock)
    assert receivers.taken[ONE.name] == ["A", "A"]


@pytest.mark.parametrize("days", [-400, 400])
def test_a_clock_that_is_set_keeps_no_process_and_no_line_back(
    path: Path, receivers: Receivers, clock: Hours, days: int
) -> None:
    """If the clock is set back or forward during sending, no line is delayed, and the process ends in time."""
    begin(path)
    write(path, "A")

    def meanwhile() -> None:
        if len(clock.waits) == 5:
            clock.time += days * 86_400

    clock.meanwhile = meanwhile
    receivers.mood = refuse("connection refused")
    go(path, receivers, clock)
    assert sum(clock.waits) < 60
    clock.time = NOW + 200.0
    receivers.mood = Receivers().mood
    go(path, receivers, clock)
    assert receivers.taken[ONE.name] == ["A"]


@pytest.mark.parametrize(
    "changes",
    [
        {"since": 10**30},
        {"since": -1},
        {"tries": -10},
        {"number": -1},
        {"length": 10**30},
        {"length": -2},
        {"length": 700},
        {"offset": -5},
        {"inode": 10**30},
        {"retry_at": 10**30},
    ],
)
def test_cursors_with_numbers_that_no_run_writes_are_told(path: Path, changes: Mapping[str, int]) -> None:
    """Cursors with impossible numbers raise AuditFailed, because they would crash the sender."""
    cursors.save(str(path), {"x": Cursor(Position(3, "ab" * 32, 10, 5, 700), "no", NOW, 4, NOW + 8, "lines")})
    sent = path.with_name("audit.jsonl.sent")
    document = json.loads(sent.read_text())
    document["receivers"]["x"].update(changes)
    sent.write_text(json.dumps(document))
    with pytest.raises(AuditFailed, match="position of each receiver"):
        cursors.load(str(path))


@pytest.mark.parametrize("data", ["", "{", "[]", '{"receivers": {"x": {}}}', '{"receivers": {"x": {"number": "1"}}}'])
def test_cursors_that_can_not_be_read_are_told(path: Path, data: str) -> None:
    """Unreadable cursors raise AuditFailed, because a restart from the beginning would go unnoticed."""
    path.with_name("audit.jsonl.sent").write_text(data)
    with pytest.raises(AuditFailed, match="position of each receiver"):
        cursors.load(str(path))


def test_cursors_are_what_they_were(path: Path) -> None:
    """Cursors are saved with mode 0600 and loaded unchanged."""
    known_names = {
        "a": Cursor(Position(3, "ab" * 32, 10, 5, 700), "no", NOW, 4, NOW + 8, "lines"),
        "b": Cursor(Position()),
    }
    cursors.save(str(path), known_names)
    assert cursors.load(str(path)) == known_names
    assert path.with_name("audit.jsonl.sent").stat().st_mode & 0o777 == 0o600


def test_while_many_write_each_line_is_sent_once(path: Path, receivers: Receivers, clock: Hours) -> None:
    """While threads write and files rotate, each line is sent once."""
    begin(path)
    limits = SMALL._replace(keep=1000)
    writers = [
        threading.Thread(target=lambda: write(path, *(["E"] * 40), limits=limits), daemon=True) for _ in range(4)
    ]
    for writer in writers:
        writer.start()
    source = sender(path, receivers, clock)
    for _ in range(1_000_000):
        is_over = not any(writer.is_alive() for writer in writers)
        if not source.round() and is_over:
            break
    assert len(receivers.taken[ONE.name]) == 160
    assert source.counts[ONE.name] == 160
