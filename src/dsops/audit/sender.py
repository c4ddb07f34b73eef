"""Sends the trail's file to its receivers: a background process, or `dsops audit send`.

The file is the queue. A line is sent at least once, in order, and the cursor moves when the receiver has accepted it.
Lines that are not accepted wait, and the next run of dsops warns.
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
from dsops.audit.following import Look, Position, end_of, look
from dsops.audit.reading import is_of_sandbox
from dsops.audit.settings import OFF, Settings, load_settings
from dsops.audit.sinks import OTLP, Sink
from dsops.dumps import leave_no_core_dump
from dsops.errors import DsopsError, LineRefused, SinkFailed

_PAUSES = (1, 2, 4, 8, 16)
"""Seconds between attempts. After the last one the sender gives up, until dsops runs again."""
GIVEN_UP_SECONDS = sum(_PAUSES)
"""How long a receiver that does not respond is tried."""
_REST_SECONDS = 60
"""After so many failures no run tries the receiver for this long."""
_LINGER_SECONDS = 2.0
"""How long the sender waits for more lines before it ends: the next run may come at once, and a new start costs more.
"""
_LOOK_SECONDS = 0.1
_LONGEST_SECONDS = 600.0
_MOST_BYTES = 1 << 18
_TAKING_TRIES, _TAKING_SECONDS = 20, 0.01

Send = Callable[[Sink, Sequence[bytes]], str]
"""Sends lines; returns a message about rejected lines, or "". Raises SinkFailed, LineRefused."""


class Clock:
    """The time, and waiting."""

    def now(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def steady(self) -> float:
        """Seconds of a clock that is never adjusted."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Sleep."""
        time.sleep(seconds)


class Sender:
    """Sends a trail's lines to its receivers. Use it only while holding the `SenderTurn`."""

    def __init__(self, settings: Settings, send: Send, clock: Clock) -> None:
        """A receiver without a cursor begins at the trail's end. Raises AuditFailed if the cursors can't be read."""
        self._path = path = settings.file
        self._sinks = sinks = settings.sinks
        self._sends_sandbox = settings.sends_sandbox
        self._send = send
        self._clock = clock
        known = cursors.load(path)
        self.cursors = {sink.name: known.get(sink.name) or Cursor(end_of(path)) for sink in sinks}
        self.counts = dict.fromkeys(self.cursors, 0)
        """The lines that each receiver has accepted so far."""

    def round(self, *, insists: bool = False) -> bool:
        """Send each receiver its next lines; return whether any accepted some. `insists`: try paused receivers, too."""
        has_moved = False
        for sink in self._sinks:
            cursor = self.cursors[sink.name]
            if not insists and cursor.is_resting(self._clock.now()):
                continue
            next_lines = look(self._path, cursor.position, _MOST_BYTES)
            if next_lines.lines:
                has_moved = self._give(sink, cursor, next_lines) or has_moved
        return has_moved

    def is_done(self) -> bool:
        """Whether no line waits for a receiver that may still be tried."""
        return all(
            len(_PAUSES) < cursor.tries or not look(self._path, cursor.position, _MOST_BYTES).lines
            for cursor in self.cursors.values()
        )

    def _give(self, sink: Sink, cursor: Cursor, found: Look) -> bool:
        lost = _gap(found, cursor.position)
        try:
            told, count = self._hand(sink, [line for line in found.lines if self._is_sent(line)])
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
        lost = "; ".join([text for text in (cursor.lost, lost, told) if text])[:500]
        self._keep(sink, Cursor(found.position, lost=lost))
        return True

    def _is_sent(self, line: bytes) -> bool:
        """Whether the line is a record, and not one of a sandbox, unless those are sent."""
        record = record_in(line)
        return record is not None and (self._sends_sandbox or not is_of_sandbox(record))

    def _hand(self, sink: Sink, lines: Sequence[bytes]) -> tuple[str, int]:
        """Send lines, in halves if one is refused; return a message about the refused ones, and the number accepted."""
        if not lines:
            return "", 0
        try:
            return self._send(sink, lines), len(lines)
        except LineRefused as refused:
            if len(lines) == 1:
                place = link_of(record_in(lines[0]))
                return f"line {place.number if place else '?'} was refused: {refused.message}", 0
            taken = refused.taken
            middle = len(lines) // 2 if taken is None else max(taken, 1)
            parts = [lines[:middle], lines[middle:]] if not taken else [lines[taken : taken + 1], lines[taken + 1 :]]
        messages, count = [], taken or 0
        for part in parts:
            words, number = self._hand(sink, part)
            messages += [words] if words else []
            count += number
        return "; ".join(messages), count

    def _keep(self, sink: Sink, cursor: Cursor) -> None:
        self.cursors[sink.name] = cursor
        try:
            # Cursors of receivers that are not configured any more are dropped.
            cursors.save(self._path, self.cursors)
        except (OSError, DsopsError):
            return  # a full disk: what was sent is sent once more, which is better than not at all


def _gap(found: Look, position: Position) -> str:
    """A message about lines that were removed before they were sent; "" if none were."""
    first = next((place for place in map(link_of, map(record_in, found.lines)) if place is not None), None)
    if first is None or not position.number or first.number <= position.number + 1:
        return ""
    return f"lines {position.number + 1} to {first.number - 1} were removed before they were sent"


def run(sender: Sender, turn: SenderTurn, clock: Clock) -> None:
    """Send until all lines are sent, and then wait a moment for more."""
    until = clock.steady() + _LONGEST_SECONDS
    quiet_since = clock.steady()
    while clock.steady() < until:
        if sender.round():
            quiet_since = clock.steady()
            continue
        if sender.is_done() and clock.steady() - quiet_since >= _LINGER_SECONDS:
            turn.give()
            # A run that wrote while we held the lock has started no sender.
            if sender.is_done() or not turn.take():
                return
            quiet_since = clock.steady()
        clock.sleep(_LOOK_SECONDS)
    turn.give()


def sending(environ: Mapping[str, str], clock: Clock) -> Send:
    """The function that sends lines, with headers and proxies of that environment."""

    def send(sink: Sink, lines: Sequence[bytes]) -> str:
        if sink.kind == OTLP:
            from dsops.audit import otlp

            return otlp.send(sink, lines, environ, clock.now())
        from dsops.audit import syslog

        syslog.send(sink, lines)
        return ""

    return send


def take_turn(turn: SenderTurn, clock: Clock) -> bool:
    """Take the lock, with retries: a run that only checks for a sender holds it for a moment."""
    for _ in range(_TAKING_TRIES):
        if turn.take():
            turn.begin()
            return True
        clock.sleep(_TAKING_SECONDS)
    return False


def main(words: Sequence[str]) -> None:
    """The background process; `words` is the path of the trail."""
    leave_no_core_dump()  # A receiver may need a token.
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
    """Close inherited descriptors: a program that reads a pipe of the run would wait for its end."""
    for name in os.listdir("/dev/fd"):
        if int(name) > 2:
            with suppress(OSError):
                os.close(int(name))
