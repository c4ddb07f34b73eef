"""Parses the command lines that the agent runs for its clients, and formats the answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from dsops.agent.client import PLAIN, PLAIN_WITH_VALUE
from dsops.agent.command_lines import CredentialsLine, ExecLine, GetLine
from dsops.agent.messages import PipelineRequest
from dsops.cli.framework.command import COMMON, Arguments, Command, parse
from dsops.cli.framework.output import note_line
from dsops.cli.framework.project import min_ttl_of
from dsops.cli.run import credentials, get
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
        return ExecLine(_request(arguments), target_in(arguments), arguments.command, is_pristine, keeps_existing)

    def answer_line(self, words: Sequence[str], environ: Mapping[str, str]) -> GetLine | CredentialsLine | None:
        """Parse `get` or `credentials`; None if the client has to run it, because it writes to more than stdout."""
        name, *others = words or [""]
        command = {"get": get.COMMAND, "credentials": credentials.COMMAND}.get(name)
        arguments = _parsed(command, name, others, environ) if command is not None else None
        if arguments is None:
            return None
        if command is get.COMMAND:
            request = _request(arguments)._replace(variable=arguments.operand("VARIABLE"))
            return GetLine(request, partial(get.text_of, as_json=arguments.switch("--json")))
        if not credentials.is_plain(arguments):
            return None
        store = arguments.operand("STORE")
        request = _request(arguments)._replace(store=store, profile=arguments.text("--for-profile"))
        return CredentialsLine(request, partial(credentials.text_of, store, arguments.text("--format")))

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


def _request(arguments: Arguments) -> PipelineRequest:
    return PipelineRequest(
        arguments.name,
        config=arguments.text("--config"),
        environment=arguments.text("--env"),
        min_ttl_seconds=min_ttl_of(arguments),
        reason=arguments.text("--reason"),
    )
