"""A command's part of the audit trail: what it was asked to do, and all of it written before anything is handed out."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from dsops.cli.framework.command import Arguments
from dsops.errors import AuditFailed, DsopsError, UsageError
from dsops.runtime import SANDBOX, Act, Journal, Runtime, note_who_answered
from dsops.startup import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from dsops.audit.trail import Append
    from dsops.tasks import T, Work


class LazyJournal:
    """The journal of this process, made by the first act: most commands have none."""

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
        """`warn` gets what goes wrong, `tell` what a person should know.

        `run` and `pid` are those of a client; `append` is that of the writer that all clients share.
        """
        self.run = run or os.urandom(8).hex()
        self._facts: dict[str, object] = {}
        self._journal: Journal | None = None

        def make() -> Journal:
            from dsops.audit.journal import TrailJournal
            from dsops.audit.record import origin_here
            from dsops.audit.trail import append as append_alone

            origin = origin_here(self.run, os.getpid() if pid is None else pid, folder)
            return TrailJournal(environ, origin, now, warn, tell, self._facts, append or append_alone)

        self._make = make

    def about(self, **facts: object) -> None:
        """Facts that all that follows has in common."""
        self._facts.update(facts)

    def answered_by(self, *, is_sandbox: bool) -> None:
        """Notes who answered a call."""
        note_who_answered(self._facts, is_sandbox=is_sandbox)

    @property
    def is_of_sandbox(self) -> bool | None:
        """Whether only sandboxes have answered this run's calls; None where nothing has."""
        known = self._facts.get(SANDBOX)
        return None if known is None else known is True

    def add(self, act: Act) -> None:
        """Takes one more."""
        if self._journal is None:
            self._journal = self._make()
        self._journal.add(act)

    def write(self) -> None:
        """Writes what was taken to the audit trail. Raises AuditFailed."""
        if self._journal is not None:
            self._journal.write()


def reason_of(arguments: Arguments) -> str:
    """What `--reason` says; "" without, and for a command that takes none."""
    return arguments.text("--reason") if arguments.has("--reason") else ""


def event_name(command: str) -> str:
    """`keys rotate` -> `KeysRotate`."""
    return "".join(word.capitalize() for word in command.replace("-", " ").split())


def add_run(arguments: Arguments, runtime: Runtime, **facts: object) -> None:
    """Puts on record that the command has what it was run for; it goes with the next `write`."""
    if runtime.journal is not None:
        runtime.journal.add(Act(event_name(arguments.name), facts=facts))


def add_change(arguments: Arguments, runtime: Runtime) -> None:
    """Puts on record what a command has changed: the store, device or key that its first word names."""
    words = arguments.first_words()
    add_run(arguments, runtime, **({"subject": words[0]} if words else {}))
    hand_out(runtime)


def hand_out(runtime: Runtime) -> None:
    """Call before a secret leaves. Raises AuditFailed where that has to be on record and can't be."""
    if runtime.journal is not None:
        runtime.journal.write()


def add_failure(name: str, error: DsopsError, runtime: Runtime) -> None:
    """Puts on record that a command got nothing, and why; a mistake in the command line itself is nobody's act."""
    if runtime.journal is None or isinstance(error, (UsageError, AuditFailed)):
        return
    runtime.journal.add(Act(event_name(name), error=error))
    write_quietly(runtime)


def write_quietly(runtime: Runtime) -> None:
    """Writes what there is while another error is being told: nothing is handed out after it."""
    try:
        hand_out(runtime)
    except AuditFailed:
        return


async def recorded(work: Work[T], arguments: Arguments, runtime: Runtime, **facts: object) -> T:
    """What the work gives, and the run on record with it."""
    given = await work
    add_run(arguments, runtime, **facts)
    return given
