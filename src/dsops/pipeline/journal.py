"""The journal of one run. It buffers acts, and writes them to the audit trail before a secret leaves the process."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping

from dsops.errors import AuditFailed, DsopsError, UsageError
from dsops.runtime import SANDBOX, Act, Journal, Runtime, note_who_answered
from dsops.startup import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from dsops.audit.trail import Append


class LazyJournal:
    """A journal that imports the audit trail when the first act is added, because most commands add none."""

    def __init__(
        self,
        environ: Mapping[str, str],
        folder: str,
        now: Callable[[], datetime],
        warn: Callable[[str], None],
        tell: Callable[[str], None],
        *,
        pid: int | None = None,
        run: str = "",
        append: Append | None = None,
    ) -> None:
        """`warn` shows a warning; `tell` shows a note, if the user is at a terminal.

        The agent passes the `run` and `pid` of its client. As `append`, it passes the writer that all its clients
        share.
        """
        self.run = run or os.urandom(8).hex()
        self._facts: dict[str, object] = {}
        self._journal: Journal | None = None

        def make() -> Journal:
            if sys.platform == "win32":
                return _NoTrail(environ, self.run)
            from dsops.audit.journal import TrailJournal
            from dsops.audit.record import origin_here
            from dsops.audit.trail import append as append_alone

            origin = origin_here(self.run, os.getpid() if pid is None else pid, folder)
            return TrailJournal(environ, origin, now, warn, tell, self._facts, append or append_alone)

        self._make = make

    def about(self, **facts: object) -> None:
        """Add facts to every later record."""
        self._facts.update(facts)

    def answered_by(self, *, is_sandbox: bool) -> None:
        """Record whether a sandbox or AWS answered a call."""
        note_who_answered(self._facts, is_sandbox=is_sandbox)

    @property
    def is_of_sandbox(self) -> bool | None:
        """Whether only sandboxes have answered this run's calls; None before the first answer."""
        known = self._facts.get(SANDBOX)
        return None if known is None else known is True

    def load(self) -> None:
        """Import the audit trail."""
        if self._journal is None:
            self._journal = self._make()

    def add(self, act: Act) -> None:
        """Buffers one act."""
        if self._journal is None:
            self._journal = self._make()
        self._journal.add(act)

    def write(self) -> None:
        """Write the buffered acts to the audit trail. Raises AuditFailed."""
        if self._journal is not None:
            self._journal.write()


class _NoTrail:
    """The journal on Windows. It writes no trail, because dsops can't check who else may write the file."""

    def __init__(self, environ: Mapping[str, str], run: str) -> None:
        self._environ = environ
        self.run = run

    def about(self, **facts: object) -> None:
        """Ignore the facts."""

    def answered_by(self, *, is_sandbox: bool) -> None:
        """Ignore who answered."""

    def add(self, act: Act) -> None:
        """Ignore the act."""

    def write(self) -> None:
        """Raise AuditFailed if the user requires the trail; otherwise, do nothing."""
        from dsops.audit.settings import REQUIRED, load_settings, user_config_path

        if load_settings(self._environ).mode == REQUIRED:
            path = user_config_path(self._environ)
            hint = f"remove `audit: required` from {path}, or run dsops on Linux or macOS"
            raise AuditFailed("the audit trail can't be written on Windows", why=f"{path} requires it", hint=hint)


def event_name(command: str) -> str:
    """Return the name of a command's event in the audit trail: `keys rotate` -> `KeysRotate`."""
    return "".join(word.capitalize() for word in command.replace("-", " ").split())


def add_run(command: str, runtime: Runtime, **facts: object) -> None:
    """Buffer the record of a successful command; the next `write_journal` writes it."""
    if runtime.journal is not None:
        runtime.journal.add(Act(event_name(command), facts=facts))


def record_run(command: str, runtime: Runtime, **facts: object) -> None:
    """Write the record of a successful command, and all earlier records. Call it before a secret leaves the process.

    Raises AuditFailed if the record can't be written and the user requires the audit trail.
    """
    add_run(command, runtime, **facts)
    write_journal(runtime)


def write_journal(runtime: Runtime) -> None:
    """Write the buffered acts to the audit trail. Call it before a secret leaves the process.

    Raises AuditFailed if they can't be written and the user requires the audit trail.
    """
    if runtime.journal is not None:
        runtime.journal.write()


def add_failure(command: str, error: DsopsError, runtime: Runtime) -> None:
    """Write the record of a failed command. Usage errors are not recorded."""
    if runtime.journal is None or isinstance(error, (UsageError, AuditFailed)):
        return
    runtime.journal.add(Act(event_name(command), error=error))
    write_quietly(runtime)


def write_quietly(runtime: Runtime) -> None:
    """Write the buffered acts while an error is being raised. Ignores AuditFailed, because no secret is returned."""
    try:
        write_journal(runtime)
    except AuditFailed:
        return
