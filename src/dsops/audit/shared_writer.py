"""Writes to a trail for all threads of a process: the lines of waiting threads are written together.

Without a shared writer, two hundred clients of an agent would each compete for the trail's lock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from threading import Condition

from dsops.audit.settings import TrailLimits
from dsops.audit.trail import Lose, Mark, WriteResult, append
from dsops.errors import AuditFailed

_MOST_BYTES = 1 << 20
"""The maximum size of one write, in bytes."""


class _Entry:
    """The lines of one thread, and the outcome of writing them."""

    def __init__(self, bodies: Sequence[bytes], lose: Lose) -> None:
        self.bodies = bodies
        self.lose = lose
        self.outcome: WriteResult | AuditFailed | None = None


class SharedWriter:
    """Writes for several threads: the first thread writes the lines of all waiting threads."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._queues: dict[str, deque[_Entry]] = {}
        self._writing: set[str] = set()

    def append(
        self, path: str, bodies: Sequence[bytes], mark: Mark, now: int, limits: TrailLimits, lose: Lose, /
    ) -> WriteResult:
        """Write lines; return once they are in the trail. Every wait has a limit. Raises AuditFailed."""
        entry = _Entry(bodies, lose)
        with self._changed:
            self._queues.setdefault(path, deque()).append(entry)
        while True:
            with self._changed:
                while entry.outcome is None and path in self._writing:
                    self._changed.wait()
                if entry.outcome is not None:
                    break
                self._writing.add(path)
                batch = self._next(path)
            self._write(path, batch, mark, now, limits)
        if isinstance(entry.outcome, AuditFailed):
            failed = entry.outcome  # a traceback belongs to one thread, so each thread raises its own error
            raise AuditFailed(failed.message, why=failed.why, hint=failed.hint) from failed
        return entry.outcome

    def finish(self, seconds: float) -> bool:
        """Wait at most `seconds` until all lines are written; return whether all are written."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._queues and not self._writing, seconds)

    def _next(self, path: str) -> list[_Entry]:
        """Return the oldest waiting entries, as many as fit into one write."""
        queue, batch, size = self._queues[path], [], 0
        while queue and size < _MOST_BYTES:
            batch.append(queue.popleft())
            size += sum(map(len, batch[-1].bodies))
        if not queue:
            del self._queues[path]
        return batch

    def _write(self, path: str, batch: list[_Entry], mark: Mark, now: int, limits: TrailLimits) -> None:
        def lose(why: str) -> None:
            for entry in batch:
                entry.lose(why)

        outcome: WriteResult | AuditFailed = AuditFailed(
            f"the audit trail {path} was not written",
            why="the agent failed to write the events of its clients",
            hint="run the command again",
        )
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
                        outcome = outcome._replace(is_first=False)  # only one thread may report a new trail
                self._writing.discard(path)
                self._changed.notify_all()
