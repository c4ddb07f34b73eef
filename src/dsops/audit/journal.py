"""Writes the acts of one run to the trail, all at once, before a secret or session leaves the process.

If the trail can't be written, the run shows one warning and continues, unless the user's own configuration says
`required`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime

from dsops.audit.lost_lines import Author, count_lost
from dsops.audit.record import Origin, Recorder
from dsops.audit.settings import OFF, REQUIRED, Settings, default_settings, load_settings, user_config_path
from dsops.audit.trail import Append, WriteResult, append
from dsops.errors import AuditFailed, DsopsError, UserConfigInvalid
from dsops.runtime import SANDBOX, Act, note_who_answered

_COUNTED = "as the next line and `dsops audit verify` will say"


class TrailJournal:
    """The journal of a run: collects acts, and writes them to the trail. Several threads may add acts."""

    def __init__(
        self,
        environ: Mapping[str, str],
        origin: Origin,
        now: Callable[[], datetime],
        warn: Callable[[str], None],
        tell: Callable[[str], None],
        facts: dict[str, object],
        append: Append = append,
    ) -> None:
        """Create the journal of a run.

        - `facts`: fields that go into every record
        - `warn`: shows a failure, once
        - `tell`: shows that a trail was started
        - `append`: writes lines to a trail (`trail.append`, or a writer that several journals share)
        """
        self._append = append
        self._pid = origin.pid
        self._environ = environ
        self._run = origin.run
        self._recorder = Recorder(origin)
        self._now = now
        self._warn = warn
        self._tell = tell
        self._facts = facts
        self._records: deque[bytes] = deque()
        self._known: Settings | None = None
        self._has_warned = False
        self._lost = ""
        """A text that says how many lines could not be written, and whether that number was saved in a file."""
        self._told: set[str] = set()

    @property
    def run(self) -> str:
        """The run id, which all records of this run contain."""
        return self._run

    def about(self, **facts: object) -> None:
        """Add facts to all later records, such as the environment's name and the configuration."""
        self._facts.update(facts)

    def answered_by(self, *, is_sandbox: bool) -> None:
        """Record whether a sandbox or AWS answered a call of this run."""
        note_who_answered(self._facts, is_sandbox=is_sandbox)

    def add(self, act: Act) -> None:
        """Add a record of one act, with the facts of the run that are known at this moment."""
        if act.is_of_sandbox is not None:
            self.answered_by(is_sandbox=act.is_of_sandbox)
        if self._settings().mode == OFF:
            return
        facts = self._facts.copy()
        is_of_run = facts.pop(SANDBOX, False)
        if is_of_run if act.is_of_sandbox is None else act.is_of_sandbox:
            facts[SANDBOX] = True
        self._records.append(self._recorder.record(act, facts, self._now()))

    def write(self) -> None:
        """Write the collected records. Raises AuditFailed if that fails and the trail is `required`."""
        records: list[bytes] = []
        while self._records:  # records are removed one at a time, since another thread may be adding records
            records.append(self._records.popleft())
        if not records:
            return
        settings = self._settings()
        try:
            result = self._put(settings, records)
        except AuditFailed as error:
            if settings.mode == REQUIRED:
                raise
            self._warn_once(error, self._lost)
            return
        if settings.sinks:
            from dsops.audit.dispatch import dispatch

            dispatch(settings, result, self._environ, int(self._now().timestamp()), self._warn_of_sinks)
        if result.is_first:
            from dsops.user_folders import shown_path

            file, own = [shown_path(path, self._environ) for path in (settings.file, user_config_path(self._environ))]
            self._tell(
                f"dsops records which roles and secrets it uses, without any value, in {file};"
                f" `audit: off` in {own} stops the record"
            )

    def _put(self, settings: Settings, records: list[bytes]) -> WriteResult:
        if not settings.file:
            hint = "set HOME or XDG_STATE_HOME"
            raise AuditFailed("the path of the audit trail is unknown", why="HOME is not set", hint=hint)
        now = int(self._now().timestamp())

        def lose(why: str) -> None:
            author, count = Author(self._pid, str(self._facts.get("command", ""))), len(records)
            is_counted = count_lost(settings.file, author, count, why, now)
            lost = "1 line is lost" if count == 1 else f"{count} lines are lost"
            self._lost = f"{lost}, {_COUNTED if is_counted else 'and the loss could not be recorded'}"

        return self._append(settings.file, records, self._mark, now, settings.limits, lose)

    def _settings(self) -> Settings:
        """The user's settings. If they can't be read, the trail is on: a broken file must not switch it off."""
        if self._known is None:
            try:
                self._known = load_settings(self._environ)
            except UserConfigInvalid as error:
                self._known = default_settings(self._environ)
                self._warn_once(error)
        return self._known

    def _mark(self, name: str, facts: Mapping[str, object]) -> bytes:
        return self._recorder.record(Act(name, facts=facts), {}, self._now())

    def _warn_of_sinks(self, text: str) -> None:
        """Show each warning only once: a program may write many times."""
        if text not in self._told:
            self._told.add(text)
            self._warn(text)

    def _warn_once(self, error: DsopsError, more: str = "") -> None:
        if self._has_warned:
            return
        self._has_warned = True
        details = [f"{problem.where}: {problem.message}" for problem in error.problems]
        why = f": {error.why}" if error.why else ""
        hint = f" ({error.hint})" if error.hint else ""
        self._warn("; ".join([f"{error.message}{why}{hint}", *details, *([more] if more else [])]))
