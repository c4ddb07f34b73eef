"""The real world as a Runtime: the one place that reads the clock, the environment and the terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from dsops.cli.framework.command import Arguments
from dsops.errors import UsageError
from dsops.pipeline.journal import LazyJournal, reason_of
from dsops.runtime import CLOCK_CORRECTED, Event, Runtime, random_fraction, utc_now
from dsops.secret import Secret

DONE = Event("done", {})
"""Reported when an answer, a question, a command or the end comes next: a transient line goes away."""

NOTES = (CLOCK_CORRECTED,)
"""What is told as a note also where nobody watches."""


def real_runtime(arguments: Arguments) -> Runtime:
    """This process's environment, folder and terminal, and this machine's clock."""
    try:
        folder = os.getcwd()
    except OSError as error:
        raise UsageError("the working folder is gone", hint="change into another one") from error
    report = reporter(is_verbose=arguments.switch("--verbose"))
    journal = LazyJournal(os.environ, folder, utc_now, _after_done(report, warn), _after_done(report, tell_person))
    journal.about(command=arguments.name)
    if arguments.command:
        journal.about(program=arguments.command[0])
    reason = reason_of(arguments)
    if reason:
        journal.about(reason=reason)
    return Runtime(
        environ=os.environ,
        now=utc_now,
        ask=asker(report),
        confirm=confirmer(report),
        report=report,
        random=random_fraction,
        folder=folder,
        timestamp=utc_now().strftime("%Y%m%dT%H%M%SZ"),
        journal=journal,
        reason=reason,
    )


def _after_done(report: Callable[[Event], None], write: Callable[[str], None]) -> Callable[[str], None]:
    """Writes a text when a transient line has gone away: it would begin behind that."""

    def write_after(text: str) -> None:
        report(DONE)
        write(text)

    return write_after


def warn(text: str) -> None:
    """Tells people something on stderr."""
    from dsops.cli.framework.output import note

    note(text)


def tell_person(text: str) -> None:
    """The same where a person is there to read it."""
    if is_terminal():
        warn(text)


def asker(report: Callable[[Event], None]) -> Callable[[str], Secret | None]:
    """Asks the person at this process's terminal; takes a transient line away first."""

    def ask(question: str) -> Secret | None:
        from dsops.cli.framework import prompt

        report(DONE)
        return prompt.ask(question)

    return ask


def confirmer(report: Callable[[Event], None]) -> Callable[[str], bool | None]:
    """Asks the person at this process's terminal to agree; takes a transient line away first."""

    def confirm(question: str) -> bool | None:
        from dsops.cli.framework import prompt

        report(DONE)
        return prompt.confirm(question)

    return confirm


def reporter(*, is_verbose: bool) -> Callable[[Event], None]:
    """Shows events on this process's stderr, where somebody watches."""
    if is_verbose or is_terminal():
        from dsops.cli.framework.progress import Progress

        return Progress(is_kept=is_verbose).report
    return _only_notes


def _only_notes(event: Event) -> None:
    if event.name in NOTES:
        from dsops.cli.framework.progress import Progress

        Progress(is_kept=True).report(event)


def is_terminal() -> bool:
    """Whether stderr is a terminal."""
    return sys.stderr is not None and sys.stderr.isatty()
