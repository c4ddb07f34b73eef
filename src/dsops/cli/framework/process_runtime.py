"""The Runtime of a real process: its clock, its environment, its terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

from dsops.cli.framework.command import REASON, Arguments
from dsops.errors import UsageError
from dsops.pipeline.journal import LazyJournal
from dsops.runtime import NOTES, Choice, Event, Runtime, ignore, random_fraction, utc_now
from dsops.secret import Secret

DONE = Event("done", {})
"""The event that erases the progress line. It is reported before results, prompts, commands and the end."""


def real_runtime(arguments: Arguments) -> Runtime:
    """Return the Runtime of this process: its environment variables, folder and terminal, and this machine's clock."""
    try:
        folder = os.getcwd()
    except OSError as error:
        raise UsageError("the working folder no longer exists", hint="change to another folder") from error
    if arguments.switch("--quiet"):
        from dsops.cli.framework import output

        output.be_quiet()
    report = reporter(is_verbose=arguments.switch("--verbose"), is_quiet=arguments.switch("--quiet"))
    journal = LazyJournal(os.environ, folder, utc_now, _after_done(report, warn), _after_done(report, tell_person))
    journal.about(command=arguments.name)
    if arguments.command:
        journal.about(program=arguments.command[0])
    reason = arguments.text(REASON.name) if arguments.has(REASON.name) else ""
    if reason:
        journal.about(reason=reason)
    return Runtime(
        environ=os.environ,
        now=utc_now,
        ask=asker(report),
        confirm=confirmer(report),
        choose=chooser(report),
        report=report,
        random=random_fraction,
        folder=folder,
        timestamp=utc_now().strftime("%Y%m%dT%H%M%SZ"),
        journal=journal,
        reason=reason,
        run_memory={},
    )


def _after_done(report: Callable[[Event], None], write: Callable[[str], None]) -> Callable[[str], None]:
    """Return a function that erases the progress line, then writes a text."""

    def write_after(text: str) -> None:
        report(DONE)
        write(text)

    return write_after


def warn(text: str) -> None:
    """Write a note to stderr."""
    from dsops.cli.framework.output import note

    note(text)


def tell_person(text: str) -> None:
    """Write a note to stderr if it is a terminal."""
    if is_terminal():
        warn(text)


def asker(report: Callable[[Event], None]) -> Callable[[str], Secret | None]:
    """Return a function that erases the progress line, then asks the user at the terminal."""

    def ask(question: str) -> Secret | None:
        from dsops.cli.framework import prompt

        report(DONE)
        return prompt.ask(question)

    return ask


def confirmer(report: Callable[[Event], None]) -> Callable[[str], bool | None]:
    """Return a function that erases the progress line, then asks the user at the terminal to confirm."""

    def confirm(question: str) -> bool | None:
        from dsops.cli.framework import prompt

        report(DONE)
        return prompt.confirm(question)

    return confirm


def chooser(report: Callable[[Event], None]) -> Callable[[str, Sequence[Choice]], Choice | None]:
    """Return a function that erases the progress line, then lets the user choose from a list at the terminal."""

    def choose(question: str, choices: Sequence[Choice]) -> Choice | None:
        from dsops.cli.framework.picker.terminal import pick
        from dsops.cli.framework.prompt import ask_text

        report(DONE)
        picked = pick(question, choices, os.environ, ask=ask_text)
        return picked.choice if picked is not None else None

    return choose


def reporter(*, is_verbose: bool, is_quiet: bool = False) -> Callable[[Event], None]:
    """Return a function that shows events on stderr.

    With --verbose or on a terminal, it shows all events; otherwise only the events in NOTES.
    """
    if is_quiet:
        return ignore
    if is_verbose or is_terminal():
        from dsops.cli.framework.progress import Progress

        is_plain = os.environ.get("TERM", "dumb") == "dumb"
        return Progress(is_kept=is_verbose, is_live=is_terminal(), is_plain=is_plain).report
    return _only_notes


def _only_notes(event: Event) -> None:
    if event.name in NOTES:
        from dsops.cli.framework.progress import Progress

        Progress(is_kept=True).report(event)


def is_terminal() -> bool:
    """Whether stderr is a terminal."""
    return sys.stderr is not None and sys.stderr.isatty()
