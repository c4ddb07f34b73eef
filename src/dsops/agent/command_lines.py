"""The command lines that clients send as they are; `cli` passes in what parses them and writes their answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from dsops.agent.messages import PipelineRequest
from dsops.credentials import Credentials
from dsops.plan import Plan
from dsops.secret import Secret


class ExecLine(NamedTuple):
    """An `exec`: the agent makes the environment of its program."""

    request: PipelineRequest
    program: tuple[str, ...]
    """The program, without its arguments, which the client keeps to itself."""
    is_pristine: bool
    keeps_existing: bool


class GetLine(NamedTuple):
    """A `get`."""

    request: PipelineRequest
    text_of: Callable[[Secret, Plan], bytes]
    """What goes to stdout."""


class CredentialsLine(NamedTuple):
    """A `credentials`."""

    request: PipelineRequest
    text_of: Callable[[Credentials], bytes]
    """What goes to stdout."""


class CommandLines(Protocol):
    """Reads the words of a client's command line with the client's environment, and writes as the command line does."""

    def exec_line(self, words: Sequence[str], environ: Mapping[str, str]) -> ExecLine | None:
        """The `exec` of these words; None where the client has to do it, also to tell what is wrong with them."""

    def answer_line(self, words: Sequence[str], environ: Mapping[str, str]) -> GetLine | CredentialsLine | None:
        """The `get` or `credentials` of these words, the command first; None as for `exec_line`."""

    def note_line(self, text: str) -> str:
        """A note as it stands on stderr."""
