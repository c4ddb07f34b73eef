"""Parsed command lines of clients, and the protocol that `cli` implements to parse them and format answers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from dsops.agent.messages import PipelineRequest
from dsops.credentials import Credentials
from dsops.errors import DsopsError
from dsops.model import Config
from dsops.pipeline.target import RunTarget
from dsops.plan import Plan
from dsops.runtime import Runtime
from dsops.secret import Secret


class LeftToClient(Exception):
    """Raised where the agent finds out that the client has to do the work itself."""


class ExecLine(NamedTuple):
    """A parsed `dsops exec`: the agent builds the environment of the program to run."""

    request: PipelineRequest
    """The configuration file, the reason and the minimum lifetime."""
    target: RunTarget
    """The environment whose variables the command gets, and the store whose session it gets."""
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


class RenderLine(NamedTuple):
    """A parsed `dsops render` that writes to stdout."""

    request: PipelineRequest
    text_of: Callable[[Mapping[str, Secret], Plan, Callable[[str], None]], bytes]
    """Formats the variables for stdout; the function gets the notes."""


Fetch = Callable[[Plan], tuple[Mapping[str, Secret], Sequence[Credentials]]]
"""Returns the values of a plan's variables, and the sessions among them."""


class HookLine(NamedTuple):
    """A parsed `dsops hook-load`."""

    request: PipelineRequest
    load: Callable[[Runtime, Fetch, Callable[[DsopsError], bool]], tuple[bytes, str, int]]
    """Loads the environment of the folder; raises errors for which the last function returns true.

        Returns the code for the shell, a line for stderr ("" for none), and the exit code.
    """


ReadConfig = Callable[[str, Collection[str] | None], Config]
"""Reads a configuration.

Arguments: the value of `--config` ("" for the folder's own configuration), and the AWS profiles to include as stores.
"""


class CompleteLine(NamedTuple):
    """A parsed `dsops complete`."""

    request: PipelineRequest
    text_of: Callable[[Runtime, ReadConfig], bytes]
    """Returns the completions as text for stdout."""


AnswerLine = GetLine | CredentialsLine | RenderLine | HookLine | CompleteLine


class CommandLines(Protocol):
    """Protocol: parses a client's command line with its environment, and formats answers as the command does."""

    def exec_line(self, words: Sequence[str], environ: Mapping[str, str]) -> ExecLine | None:
        """Return the parsed `exec`; None if the client has to do the work, for example to report a usage error."""

    def answer_line(self, words: Sequence[str], environ: Mapping[str, str]) -> AnswerLine | None:
        """Parse the words of a command of `client.ANSWERED`, name first; return None if the client has to run it."""

    def note_line(self, text: str) -> str:
        """Format a note for stderr."""
