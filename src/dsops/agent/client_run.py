"""Prepares one client request for the pipeline: its runtime, configuration, plan and journal."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from dsops.agent.command_lines import CommandLines, ExecLine, LeftToClient
from dsops.agent.drivers import Drivers
from dsops.agent.messages import PipelineRequest
from dsops.agent.metrics import Tally
from dsops.agent.parsed_files import ParsedFiles
from dsops.agent.request import AgentRequest, RequestClient
from dsops.agent.sandbox_watch import SandboxWatch
from dsops.audit.settings import TrailLimits
from dsops.audit.shared_writer import SharedWriter
from dsops.audit.trail import Lose, Mark, WriteResult
from dsops.aws.http.call import make_client
from dsops.aws.identity.ambient_files import config_file, credentials_file
from dsops.cache import CredentialCache
from dsops.config import HOOKED, RUNNING
from dsops.config.allow import not_allowed
from dsops.credentials import Credentials
from dsops.errors import ConfigNotFound, DsopsError, MfaRequired, NotAllowed
from dsops.model import Config
from dsops.pipeline.configuration import choose_environment, only_variable, read_config
from dsops.pipeline.confirmation import unconfirmed_steps
from dsops.pipeline.execution import Pipeline
from dsops.pipeline.journal import LazyJournal, add_failure, write_quietly
from dsops.pipeline.plans import plan_named, plan_of_session
from dsops.pipeline.target import plan_target, read_target_config, require_one_session, resolve_target
from dsops.plan import Plan
from dsops.runtime import NOTES, Choice, Event, Runtime, random_fraction
from dsops.secret import Secret

if TYPE_CHECKING:
    from dsops.aws.http.retries import KnownServices

T = TypeVar("T")

HOOK = "hook-load"
"""The command that a shell's hook runs. It needs the permission that `dsops hook allow` saves."""

_PROCESS_FOLDERS = ("/dev/", "/proc/")
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN)


class SharedState(NamedTuple):
    """The state that the requests of all clients share."""

    now: Callable[[], datetime]
    cache: CredentialCache
    drivers: Drivers
    writer: SharedWriter
    """Writes the clients' audit trails."""
    known_services: KnownServices
    """The rate limits that AWS services have shown."""
    sandboxes: dict[str, str]
    """Maps the URL of each sandbox to its `Server` header. Sessions from these URLs are marked."""
    watch: SandboxWatch
    parsed: ParsedFiles


class ClientRun:
    """One request, run with the client's environment, folder and terminal."""

    def __init__(
        self,
        asked: AgentRequest,
        client: RequestClient,
        shared: SharedState,
        lines: CommandLines,
        tally: Tally,
        *,
        shows_notes: bool,
    ) -> None:
        """Create the run.

        `shows_notes` is set if the client makes no plan of its own. In that case, only the agent can show the plan's
        notes.
        """
        self.words = [os.fsdecode(word) for word in asked.words[1:]]
        self._asked = asked
        self._client = client
        self._shared = shared
        self._lines = lines
        self._tally = tally
        self._shows_notes = shows_notes
        self._notes: list[str] = []
        """Notes of the configuration and the plan that the client has not got yet."""
        encoding, errors = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()
        pairs = [variable.decode(encoding, errors).partition("=") for variable in asked.environ]
        self.runtime = Runtime(
            environ={name: value for name, _, value in pairs},
            now=shared.now,
            ask=self._ask,
            choose=self._choose,
            report=self._report,
            random=random_fraction,
            folder=os.fsdecode(asked.folder),
            timestamp=shared.now().strftime("%Y%m%dT%H%M%SZ"),
            tell=client.tell,
            measure=tally.measure,
            has_left=client.has_left,
            run_memory={},
            kept=shared.parsed,
        )

    def _ask(self, question: str) -> Secret | None:
        typed = self._answered(lambda: self._client.ask(question))
        return None if typed is None else Secret.from_bytes(typed)

    def _choose(self, question: str, choices: Sequence[Choice]) -> Choice | None:
        return self._answered(lambda: self._client.choose(question, choices))

    def _answered(self, ask: Callable[[], T | None]) -> T | None:
        """Return the user's answer, and count the answer. Raises MfaRequired if no answer comes in time."""
        try:
            typed = ask()
        except TimeoutError as error:
            self._tally.add(lambda metrics: metrics.prompts.add(("timeout",)))
            raise MfaRequired(
                "the MFA code was not entered on the terminal in time",
                why="other requests wait for a code of the same MFA device",
                hint="run the command again",
            ) from error
        self._tally.add(lambda metrics: metrics.prompts.add(("nobody" if typed is None else "answered",)))
        return typed

    def _report(self, event: Event) -> None:
        if event.name in NOTES or self._asked.watches:
            self._client.event(event.name, [text for fact in event.facts.items() for text in fact])

    @contextmanager
    def pipeline(self, request: PipelineRequest, program: str = "") -> Iterator[Pipeline]:
        """Yield the pipeline for the request; at the end, write the acts of the run to the client's audit trail.

        A failure is recorded as well, unless the client itself records the outcome of its run.
        """
        journal = self._open_journal(request, program)
        self._tally.is_of_sandbox = lambda: journal.is_of_sandbox is True
        self.journal = journal
        self.runtime = self.runtime._replace(journal=journal, reason=request.reason)
        self._shared.watch.drop_ended(self._shared.cache, self._client.outside)
        client = make_client(self.runtime, known_services=self._shared.known_services, sandboxes=self._shared.sandboxes)
        try:
            yield Pipeline(
                self.runtime,
                self._shared.cache,
                client=client,
                run=partial(self._shared.drivers.run, outside=self._client.outside),
            )
        except DsopsError as error:
            if not is_for_client(error):
                self._show_notes()
                if not request.run:
                    add_failure(request.command, error, self.runtime)
            write_quietly(self.runtime)
            raise
        except BaseException:
            write_quietly(self.runtime)
            raise
        journal.write()

    def _open_journal(self, request: PipelineRequest, program: str) -> LazyJournal:
        journal = LazyJournal(
            self.runtime.environ,
            self.runtime.folder,
            self.runtime.now,
            # If the client records its own run, it writes to the same trail afterwards and shows the warning itself.
            warn=_ignore if request.run else self.note,
            tell=self.note if self._asked.watches else _ignore,
            pid=self._client.pid,
            run=request.run,
            append=self._append,
        )
        journal.about(command=request.command)
        if program:
            journal.about(program=program)
        if request.reason:
            journal.about(reason=request.reason)
        return journal

    def _append(
        self, path: str, bodies: Sequence[bytes], mark: Mark, now: int, limits: TrailLimits, lose: Lose, /
    ) -> WriteResult:
        """Write to the audit trail, together with the requests that are queued at this moment."""
        entry = self._shared.writer.queue(path, bodies, lose)
        self._client.after_others()
        return self._shared.writer.write(entry, mark, now, limits, self._client.outside)

    def needs_client(self, request: PipelineRequest) -> bool:
        """Return whether only the client can read its configuration file or its AWS files.

        The pipe of `--config <(make-one)` can be read once; /dev/fd/63 and /proc/self name other files in the agent.
        """
        environ, folder = self.runtime.environ, self.runtime.folder
        aws_files = {_normal(locate(environ, folder)) for locate in (config_file, credentials_file)}
        if any(path.startswith(_PROCESS_FOLDERS) for path in aws_files - {os.devnull}):
            return True
        path = _normal(os.path.join(folder, request.config))
        is_special = path.startswith(_PROCESS_FOLDERS) or (os.path.exists(path) and not os.path.isfile(path))
        return bool(request.config) and is_special

    def plan_command(self, line: ExecLine) -> tuple[Plan, str] | None:
        """Plan a command's run; return the plan, and the store whose session the command gets ("" for none).

        Returns None if the client has to ask its user to confirm the run.
        """
        config = read_target_config(line.target, self.runtime, line.request.config)
        self._notes += config.notes
        target, config = resolve_target(line.target, config, self.runtime)
        plan = plan_target(target, _allowed(config), self.runtime, line.program)
        if unconfirmed_steps(plan, self.runtime.environ, self.runtime.now()):
            return None
        self.announce(plan)
        if target.store:
            require_one_session(plan, target.store)
        return plan, target.store

    def plan(self, request: PipelineRequest) -> Plan:
        """Plan the environment of the request: all its variables, or only the requested variable."""
        config = self._config(request)
        name = choose_environment(config, request.environment)
        if request.variable:
            config = only_variable(config, name, request.variable)
        lasts = bool(request.store) and request.lasts
        plan = plan_named(config, name, self.runtime, also=request.store, lasts=lasts)
        self.announce(plan)
        return plan

    def plan_session(self, request: PipelineRequest) -> Plan:
        """Plan the session of the requested store, as the request's environment uses it."""
        config = self._config(request)
        plan = plan_of_session(
            config, request.store, self.runtime, environment=request.environment, lasts=request.lasts
        )
        self.announce(plan)
        return plan

    def cached_sessions(self, request: PipelineRequest) -> Mapping[str, Credentials]:
        """Return the usable cached sessions of the request's plan, by step, for steps that send an MFA code.

        A session whose policy depends on the plan's variables is left out, because the client's plan may have fewer
        variables.
        """
        config = self._config(request)
        plan = plan_of_session(config, request.store, self.runtime, environment=request.environment)
        asking = [
            step for step in plan.steps.values() if "session_policy_covers" not in step.settings and step.asks_code
        ]
        cached = {step.name: self._shared.cache.peek(step.fingerprint) for step in asking}
        return {name: session for name, session in cached.items() if session is not None}

    def announce(self, plan: Plan) -> None:
        """Send the notes of the configuration and the plan to the client, and announce that a code may be used."""
        self._notes += plan.notes
        self._show_notes()
        if any(step.asks_code for step in plan.steps.values()):
            self._client.expect_code()

    def _config(self, request: PipelineRequest) -> Config:
        """Load the client's configuration. Raises NotAllowed, and LeftToClient if the client has read other files."""
        try:
            config = read_config(
                self.runtime,
                request.config,
                is_chosen=not request.profile,
                permission=HOOKED if request.command == HOOK else RUNNING,
                names=(request.store,) if request.store else (),
                left_out=request.read.left_out,
            )
        except ConfigNotFound as error:
            error.missing = "" if request.config or request.store or request.environment else "--env"
            raise
        if request.read.digest not in ("", config.read.digest):
            raise LeftToClient
        self._notes += config.notes
        return _allowed(config)

    def config_to_complete(self, named: str, names: Collection[str] | None) -> Config:
        """Read a configuration for `dsops complete`. Raises LeftToClient unless the user named or allowed the file."""
        request = PipelineRequest("complete", config=named)
        if self.needs_client(request):
            raise LeftToClient
        try:
            config = read_config(self.runtime, named, names=names)
        except DsopsError as error:
            if is_exhausted(error) or isinstance(error, NotAllowed):
                raise LeftToClient from error
            raise
        if not config.is_allowed:
            raise LeftToClient
        return config

    def _show_notes(self) -> None:
        """Send the collected notes to the client.

        Called once it is clear that the client does not repeat the work. A client that repeats the work shows the same
        notes itself.
        """
        for text in self._notes if self._shows_notes else ():
            self.note(text)
        self._notes.clear()

    def note(self, text: str) -> None:
        """Send a note to the client's stderr."""
        self._client.note(f"{self._lines.note_line(text)}\n")


def _normal(path: str) -> str:
    """Return the absolute path without `.`, `..` and double slashes; `os.path.normpath` keeps two at the beginning."""
    return f"/{os.path.normpath(path).lstrip('/')}"


def _allowed(config: Config) -> Config:
    """Return the configuration. Raises NotAllowed if the user has not allowed it; the client then asks its user."""
    if not config.is_allowed:
        raise not_allowed(config.files[0].shown)
    return config


def _ignore(_text: str) -> None:
    """Ignores a note to the user."""


def is_for_client(error: BaseException) -> bool:
    """Whether the client may succeed where the agent failed: its user can allow a file or choose a name."""
    is_open = isinstance(error, DsopsError) and error.missing != ""
    return is_open or isinstance(error, NotAllowed) or is_exhausted(error)


def is_exhausted(error: BaseException) -> bool:
    """Whether the agent's process has run out of descriptors, processes or memory."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, MemoryError) or (isinstance(seen, OSError) and seen.errno in _EXHAUSTED):
            return True
        seen = seen.__cause__
    return False
