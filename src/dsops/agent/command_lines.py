"""Parsed command lines of clients, and the protocol that `cli` implements to parse them and format answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from dsops.agent.messages import PipelineRequest
from dsops.credentials import Credentials
from dsops.pipeline.target import RunTarget
from dsops.plan import Plan
from dsops.secret import Secret


class ExecLine(NamedTuple):
    """A parsed `dsops exec`: the agent builds the environment of the program to run."""

    request: PipelineRequest
    """The configuration file, the reason and the minimum lifetime."""
    target: RunTarget
    """What the command gets."""
    program: tuple[str, ...]
    """The program without its arguments, which the client does not send."""
    is_pristine: bool
    keeps_existing: bool


class GetLine(NamedTuple):
    """A parsed `dsops get`."""

    request: PipelineRequest
    text_of: Callable[[Secret, Plan], bytes]
    """Formats the value for stdout."""


class CredentialsLine(NamedTuple):
    """A parsed `dsops credentials`."""

    request: PipelineRequest
    text_of: Callable[[Credentials], bytes]
    """Formats the session for stdout."""


class CommandLines(Protocol):
    """Protocol: parses a client's command line with its environment, and formats answers as the command does."""

    def exec_line(self, words: Sequence[str], environ: Mapping[str, str]) -> ExecLine | None:
        """Return the parsed `exec`; None if the client has to do the work, for example to report a usage error."""

    def answer_line(self, words: Sequence[str], environ: Mapping[str, str]) -> GetLine | CredentialsLine | None:
        """Parse `get` or `credentials` (`words` begin with the command); None if the client has to do the work."""

    def note_line(self, text: str) -> str:
        """Format a note for stderr."""
