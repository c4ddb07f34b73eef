"""Writes to a trail for all threads of a process: the lines of waiting threads are written together.

Without a shared writer, two hundred clients of an agent would each compete for the trail's lock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from threading import Condition
from time import monotonic

from dsops.audit.settings import TrailLimits
from dsops.audit.trail import Lose, Mark, WriteResult, append
from dsops.errors import AuditFailed

_MOST_BYTES = 1 << 20
"""The maximum size of one write, in bytes."""

_SLOW_SECONDS = 0.01
"""After a write that took longer, the trail is slow. A write usually takes 0.2 ms."""


class QueuedLines:
    """The lines of one thread, and the outcome of writing them."""

    def __init__(self, path: str, bodies: Sequence[bytes], lose: Lose) -> None:
        self.path = path
        self.bodies = bodies
        self.lose = lose
        self.outcome: WriteResult | AuditFailed | None = None


class SharedWriter:
    """Writes for several threads: the first thread that writes also writes the lines of all others."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._queues: dict[str, deque[QueuedLines]] = {}
        self._writing: set[str] = set()
        self._slow: set[str] = set()
        """The trails whose last write took long."""

    def queue(self, path: str, bodies: Sequence[bytes], lose: Lose) -> QueuedLines:
        """Queue lines. The thread must call `write` afterwards; another thread that calls it writes them as well."""
        entry = QueuedLines(path, bodies, lose)
        with self._changed:
            self._queues.setdefault(path, deque()).append(entry)
        return entry

    def write(
        self,
        entry: QueuedLines,
        mark: Mark,
        now: int,
        limits: TrailLimits,
        outside: Callable[[Callable[[], None]], None] = lambda wait: wait(),
    ) -> WriteResult:
        """Write queued lines; return once they are in the trail. Every wait has a limit. Raises AuditFailed.

        `outside` is called to wait for another thread, and to write to a slow trail.
        """
        path = entry.path
        while entry.outcome is None:
            batch = self._next_if_free(entry)
            if not batch:
                outside(partial(self._wait_for, entry))
            elif path in self._slow:
                outside(partial(self._write, path, batch, mark, now, limits))
            else:
                self._write(path, batch, mark, now, limits)
        if isinstance(entry.outcome, AuditFailed):
            # each thread raises an error object of its own, because a traceback is stored in the error object
            failed = entry.outcome
            raise AuditFailed(failed.message, why=failed.why, hint=failed.hint) from failed
        return entry.outcome

    def finish(self, seconds: float) -> bool:
        """Wait at most `seconds` until all lines are written; return whether all are written."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._queues and not self._writing, seconds)

    def _wait_for(self, entry: QueuedLines) -> None:
        """Wait until the lines are written, or no thread is writing to their trail."""
        with self._changed:
            self._changed.wait_for(lambda: entry.outcome is not None or entry.path not in self._writing)

    def _next_if_free(self, entry: QueuedLines) -> list[QueuedLines]:
        """Begin to write the oldest lines of a trail, as many as fit into one write; [] if another thread writes."""
        path = entry.path
        with self._changed:
            if entry.outcome is not None or path in self._writing:
                return []
            self._writing.add(path)
            return self._next(path)

    def _next(self, path: str) -> list[QueuedLines]:
        queue, batch, size = self._queues[path], [], 0
        while queue and size < _MOST_BYTES:
            batch.append(queue.popleft())
            size += sum(map(len, batch[-1].bodies))
        if not queue:
            del self._queues[path]
        return batch

    def _write(self, path: str, batch: list[QueuedLines], mark: Mark, now: int, limits: TrailLimits) -> None:
        def lose(why: str) -> None:
            for entry in batch:
                entry.lose(why)

        outcome: WriteResult | AuditFailed = AuditFailed(
            f"the audit trail {path} was not written",
            why="the agent failed to write the events of its clients",
            hint="run the command again",
        )
        begin = monotonic()
        try:
            bodies = [body for entry in batch for body in entry.bodies]
            outcome = append(path, bodies, mark, now, limits, lose)
        except AuditFailed as error:
            outcome = error
        finally:
            with self._changed:
                for entry in batch:
                    entry.outcome = outcome
                    if isinstance(outcome, WriteResult):
                        # only one of the threads may report that a new trail was started
                        outcome = outcome._replace(is_first=False)
                self._writing.discard(path)
                if monotonic() - begin > _SLOW_SECONDS:
                    self._slow.add(path)
                else:
                    self._slow.discard(path)
                self._changed.notify_all()
