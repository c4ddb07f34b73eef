"""Sends the trail's lines to its receivers: in a background process, or for `dsops audit send`.

The trail's file is the queue. Each line is sent at least once, in order; after a receiver has accepted a line, its
cursor is moved. Lines that a receiver does not accept stay in the file, and the next run of dsops prints a note.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from dsops.audit import cursors
from dsops.audit.chain import link_of, record_in
from dsops.audit.cursors import Cursor, SenderTurn
from dsops.audit.following import LinesRead, Position, end_of, look
from dsops.audit.reading import is_of_sandbox
from dsops.audit.settings import OFF, Settings, load_settings
from dsops.audit.sinks import OTLP, Sink
from dsops.dumps import leave_no_core_dump
from dsops.errors import DsopsError, LineRefused, SinkFailed

_PAUSES = (1, 2, 4, 8, 16)
"""Seconds between attempts. After the last attempt, the next run of dsops tries again."""
GIVEN_UP_SECONDS = sum(_PAUSES)
"""How long the sender retries a receiver that does not respond."""
_REST_SECONDS = 60
"""The pause in seconds before a receiver is tried again after all attempts of `_PAUSES` failed."""
_LINGER_SECONDS = 2.0
"""How long an idle sender waits for new lines before it exits: starting another sender would cost more."""
_LOOK_SECONDS = 0.1
_LONGEST_SECONDS = 600.0
_MOST_BYTES = 1 << 18
_TAKING_TRIES, _TAKING_SECONDS = 20, 0.01
_WAIT_SECONDS = GIVEN_UP_SECONDS + 10.0
"""How many seconds to wait for another sender: longer than that sender takes to give up on a receiver."""
_RETRY_SECONDS = 0.2
_MOST_ROUNDS = 100_000
"""The maximum number of rounds (a quarter of a megabyte each), because other processes may add lines all the time."""

Send = Callable[[Sink, Sequence[bytes]], str]
"""A function that sends lines; returns a message about rejected lines or "". Raises SinkFailed, LineRefused."""


class Clock:
    """The system's clock. Tests pass a fake clock."""

    def now(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def steady(self) -> float:
        """Return a monotonic time in seconds."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Sleep for that many seconds."""
        time.sleep(seconds)


class Sender:
    """Sends a trail's lines to its receivers. Only the process that holds the `SenderTurn` may use it."""

    def __init__(self, settings: Settings, send: Send, clock: Clock) -> None:
        """Load the cursors; a receiver without a cursor starts at the trail's end. Raises AuditFailed."""
        self._path = path = settings.file
        self._sinks = sinks = settings.sinks
        self._sends_sandbox = settings.sends_sandbox
        self._send = send
        self._clock = clock
        saved_cursors = cursors.load(path)
        self.cursors = {sink.name: saved_cursors.get(sink.name) or Cursor(end_of(path)) for sink in sinks}
        self.counts = dict.fromkeys(self.cursors, 0)
        """The number of lines sent to each receiver, by name."""

    def round(self, *, insists: bool = False) -> bool:
        """Send each receiver its next lines; return whether any receiver accepted lines.

        With `insists`, the pause after a failure is ignored.
        """
        has_moved = False
        for sink in self._sinks:
            cursor = self.cursors[sink.name]
            if not insists and cursor.is_resting(self._clock.now()):
                continue
            batch = look(self._path, cursor.position, _MOST_BYTES)
            if batch.lines:
                has_moved = self._send_batch(sink, cursor, batch) or has_moved
        return has_moved

    def is_done(self) -> bool:
        """Whether every receiver has all lines, or has failed so often that it is not tried again soon."""
        return all(
            len(_PAUSES) < cursor.tries or not look(self._path, cursor.position, _MOST_BYTES).lines
            for cursor in self.cursors.values()
        )

    def _send_batch(self, sink: Sink, cursor: Cursor, batch: LinesRead) -> bool:
        lost = _gap(batch, cursor.position)
        try:
            refusal, count = self._send_lines(sink, [line for line in batch.lines if self._is_sent(line)])
        except SinkFailed as error:
            tries = cursor.tries + 1
            pause = max(error.seconds, _PAUSES[tries - 1] if tries <= len(_PAUSES) else _REST_SECONDS)
            now = int(self._clock.now())
            self._keep(
                sink,
                cursor._replace(failure=error.message, since=cursor.since or now, tries=tries, retry_at=now + pause),
            )
            return False
        self.counts[sink.name] += count
        lost = "; ".join([text for text in (cursor.lost, lost, refusal) if text])[:500]
        self._keep(sink, Cursor(batch.position, lost=lost))
        return True

    def _is_sent(self, line: bytes) -> bool:
        """Whether to send the line: it must be a record, and a sandbox's record is sent only if the settings say so."""
        record = record_in(line)
        return record is not None and (self._sends_sandbox or not is_of_sandbox(record))

    def _send_lines(self, sink: Sink, lines: Sequence[bytes]) -> tuple[str, int]:
        """Send lines; return a message about rejected lines, and the number of accepted lines.

        If the receiver rejects a line, the remaining lines are sent in smaller parts.
        """
        if not lines:
            return "", 0
        try:
            return self._send(sink, lines), len(lines)
        except LineRefused as refused:
            if len(lines) == 1:
                place = link_of(record_in(lines[0]))
                return f"line {place.number if place else '?'} was refused: {refused.message}", 0
            accepted = refused.taken
            middle = len(lines) // 2 if accepted is None else max(accepted, 1)
            parts = (
                [lines[:middle], lines[middle:]]
                if not accepted
                else [lines[accepted : accepted + 1], lines[accepted + 1 :]]
            )
        messages, count = [], accepted or 0
        for part in parts:
            words, number = self._send_lines(sink, part)
            messages += [words] if words else []
            count += number
        return "; ".join(messages), count

    def _keep(self, sink: Sink, cursor: Cursor) -> None:
        self.cursors[sink.name] = cursor
        try:
            # Saving drops the cursors of receivers that are no longer configured.
            cursors.save(self._path, self.cursors)
        except (OSError, DsopsError):
            return  # on a full disk the cursor is not saved: lines are sent twice, but none is lost


def _gap(batch: LinesRead, position: Position) -> str:
    """Return a message about lines that were removed before they were sent; "" if there are none."""
    first = next((place for place in map(link_of, map(record_in, batch.lines)) if place is not None), None)
    if first is None or not position.number or first.number <= position.number + 1:
        return ""
    return f"lines {position.number + 1} to {first.number - 1} were removed before they were sent"


def run(sender: Sender, turn: SenderTurn, clock: Clock) -> None:
    """Send all lines, then wait two seconds for new lines."""
    until = clock.steady() + _LONGEST_SECONDS
    quiet_since = clock.steady()
    while clock.steady() < until:
        if sender.round():
            quiet_since = clock.steady()
            continue
        if sender.is_done() and clock.steady() - quiet_since >= _LINGER_SECONDS:
            turn.give()
            # A process that wrote a line while this sender had the lock did not start a sender of its own. So this
            # sender checks for such lines again.
            if sender.is_done() or not turn.take():
                return
            quiet_since = clock.steady()
        clock.sleep(_LOOK_SECONDS)
    turn.give()


def sending(environ: Mapping[str, str], clock: Clock) -> Send:
    """Return a function that sends lines over the network; headers and proxies come from the environment."""

    def send(sink: Sink, lines: Sequence[bytes]) -> str:
        if sink.kind == OTLP:
            from dsops.audit import otlp

            return otlp.send(sink, lines, environ, clock.now())
        from dsops.audit import syslog

        syslog.send(sink, lines)
        return ""

    return send


def take_turn(turn: SenderTurn, clock: Clock) -> bool:
    """Try several times to take the turn; return whether this succeeded.

    A process that only checks whether a sender is running holds the turn briefly.
    """
    for _ in range(_TAKING_TRIES):
        if turn.take():
            turn.begin()
            return True
        clock.sleep(_TAKING_SECONDS)
    return False


def main(words: Sequence[str]) -> None:
    """Entry point of the background process; `words` contains the trail's path."""
    leave_no_core_dump()  # the process may have a token for a sink in memory
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    os.setsid()
    os.chdir("/")
    os.umask(0o077)
    _close_inherited()
    (path,) = words
    clock, environ = Clock(), dict(os.environ)
    settings = load_settings(environ)
    turn = SenderTurn(path)
    if settings.mode != OFF and settings.file == path and take_turn(turn, clock):
        run(Sender(settings, sending(environ, clock), clock), turn, clock)


def _close_inherited() -> None:
    """Close inherited descriptors: a process that reads an inherited pipe would wait for the sender to end."""
    for name in os.listdir("/dev/fd"):
        if int(name) > 2:
            with suppress(OSError):
                os.close(int(name))


def send_all(settings: Settings, environ: Mapping[str, str], clock: Clock) -> Sender:
    """Send all unsent lines, trying each receiver at least once. Raises SinkFailed if another process is sending."""
    turn = SenderTurn(settings.file)
    try:
        until = clock.steady() + _WAIT_SECONDS
        while not take_turn(turn, clock):
            if clock.steady() > until:
                why = f"another process has been sending it for more than {_WAIT_SECONDS:.0f} s"
                raise SinkFailed("the audit trail was not sent", why=why, hint="try again in a moment")
            clock.sleep(_RETRY_SECONDS)
        sender = Sender(settings, sending(environ, clock), clock)
        for number in range(_MOST_ROUNDS):
            if not sender.round(insists=number == 0):
                break
        return sender
    finally:
        turn.close()
