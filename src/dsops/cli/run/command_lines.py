"""Parses the command lines that the agent runs for its clients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dsops.agent.client import ANSWERED, PLAIN, PLAIN_WITH_VALUE
from dsops.agent.command_lines import AnswerLine, ExecLine
from dsops.cli.framework.command import COMMON, Arguments, Command
from dsops.cli.framework.commands import load
from dsops.cli.framework.output import note_line
from dsops.cli.framework.parser import parse
from dsops.cli.framework.project import request_of
from dsops.cli.run.exec import COMMAND as EXEC
from dsops.cli.run.program import target_in
from dsops.errors import UsageError

_NEEDS_OWN_PROCESS = (
    "DSOPS_TRANSPORT",
    *[flag.variable for flag in (*EXEC.flags, *COMMON) if flag.name not in (*PLAIN, *PLAIN_WITH_VALUE)],
)
"""Environment variables for features that need the client's own process; if one is set, the agent is not used."""


class ClientLines:
    """Parses the command lines of the agent's clients; implements `dsops.agent.command_lines.CommandLines`."""

    def exec_line(self, words: Sequence[str], environ: Mapping[str, str]) -> ExecLine | None:
        """Parse `exec`; return None if the client has to run it, because it needs more than environment variables."""
        arguments = _parsed(EXEC, "exec", words, environ)
        if arguments is None or not arguments.command:
            return None
        is_pristine, keeps_existing = arguments.switch("--pristine"), arguments.switch("--keep-existing")
        return ExecLine(request_of(arguments), target_in(arguments), arguments.command, is_pristine, keeps_existing)

    def answer_line(self, words: Sequence[str], environ: Mapping[str, str]) -> AnswerLine | None:
        """Parse the command line; None if the client has to run it, because it writes to more than stdout."""
        name, *others = words or [""]
        command = load(name) if name in ANSWERED else None
        if not isinstance(command, Command) or command.answered is None:
            return None
        arguments = _parsed(command, name, others, environ)
        return None if arguments is None else command.answered(arguments)

    def note_line(self, text: str) -> str:
        """Format a note for stderr."""
        return note_line(text)


def _parsed(command: Command, name: str, words: Sequence[str], environ: Mapping[str, str]) -> Arguments | None:
    """Parse the arguments; None if they are invalid: the client then reports the error with the possible names."""
    try:
        arguments = parse(command, words, environ, name=name)
    except UsageError:
        return None
    is_for_client = arguments.is_help or any(environ.get(variable) for variable in _NEEDS_OWN_PROCESS)
    return None if is_for_client else arguments
