"""Runs the pipeline for the agent's clients, with sessions and connections that outlive a request."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from datetime import datetime
from time import monotonic
from typing import TYPE_CHECKING

from dsops.agent.client_run import HOOK, ClientRun, SharedState, is_exhausted, is_for_client
from dsops.agent.command_lines import (
    CommandLines,
    CompleteLine,
    CredentialsLine,
    ExecLine,
    GetLine,
    HookLine,
    LeftToClient,
    RenderLine,
)
from dsops.agent.drivers import Drivers
from dsops.agent.messages import (
    PipelineRequest,
    cached_fields,
    credentials_fields,
    request_of,
    secrets_fields,
    session_fields,
    with_who_answered,
)
from dsops.agent.metrics import AgentMetrics, Tally
from dsops.agent.parsed_files import ParsedFiles
from dsops.agent.request import DECLINE, AgentAnswer, AgentRequest, ClientLimits, RequestClient, failed, result
from dsops.agent.sandbox_watch import SandboxWatch
from dsops.agent.server import SPARE_DESCRIPTORS, AgentServer
from dsops.arn import is_session_of, parse_arn
from dsops.audit.shared_writer import SharedWriter
from dsops.cache import CredentialCache
from dsops.credentials import Credentials
from dsops.environment import ChildIdentity, session_variables
from dsops.errors import AgentUnavailable, DsopsError, bug_of
from dsops.pipeline.execution import Pipeline, environment_of_child, only_value
from dsops.pipeline.journal import add_run, record_run
from dsops.pipeline.plans import marks_of, require_session
from dsops.plan import Plan
from dsops.secret import Secret

if TYPE_CHECKING:
    from dsops.aws.http.retries import KnownServices

_WRITING_SECONDS = 60.0
"""How long an ending agent waits for the audit trail: longer than the trail's own lock timeout."""

Operation = Callable[[AgentRequest, RequestClient, Tally], AgentAnswer]


class SessionKeeper:
    """The sessions and connections of an agent, and the operations that clients can request."""

    def __init__(self, now: Callable[[], datetime], lines: CommandLines) -> None:
        """`lines` parses the command lines of clients."""
        self._started = now()
        self._lines = lines
        self.end: Callable[[], None] = lambda: None
        """The function that ends the server."""
        self._cache = CredentialCache(now, is_of_many=True)
        self.writer = SharedWriter()
        """The writer of all clients' audit trails."""
        services: KnownServices = {}
        self.parsed = ParsedFiles()
        """The parsed configurations of all clients."""
        self._shared = SharedState(now, self._cache, Drivers(), self.writer, services, {}, SandboxWatch(), self.parsed)
        started = self._started.timestamp()
        self.metrics = AgentMetrics(started, lambda: self._count(is_of_sandbox=False), lambda: len(self._cache.values))
        self.sandbox_metrics = AgentMetrics(started, lambda: self._count(is_of_sandbox=True), lambda: 0)
        """Metrics of requests for which sandboxes answered all calls."""

    def work(self, asked: AgentRequest, client: RequestClient) -> AgentAnswer:
        """Answer one request; an error is returned as an answer."""
        operations: Mapping[bytes, Operation] = {
            b"exec": self._exec,
            b"answer": self._answer,
            b"secrets": self._secrets,
            b"credentials": self._credentials,
            b"cached": self._cached,
            b"status": self._status,
            b"clear": self._clear,
            b"forget": self._forget,
            b"stop": self._stop,
            b"forget-login": self._forget_login,
            b"metrics": self._metrics,
            b"metrics-port": self._metrics_port,
        }
        operation = operations.get(asked.words[0])
        if operation is None:
            return DECLINE
        started = monotonic()
        tally = Tally()
        answer = self._carried_out(operation, asked, client, tally)
        seconds = monotonic() - started
        tally.add(lambda metrics: metrics.answered(asked.words, answer.kind, seconds))
        tally.count(self.sandbox_metrics if tally.is_of_sandbox() else self.metrics)
        return answer

    def _count(self, *, is_of_sandbox: bool) -> int:
        """Count the cached sessions that a sandbox issued, or those that AWS issued."""
        return sum(session.credentials.is_of_sandbox is is_of_sandbox for session in self._cache.held())

    def _carried_out(
        self, operation: Operation, asked: AgentRequest, client: RequestClient, tally: Tally
    ) -> AgentAnswer:
        try:
            return operation(asked, client, tally)
        except DsopsError as error:
            if is_for_client(error):
                return DECLINE
            reported = error
        except LeftToClient:
            return DECLINE
        except OSError:
            raise
        except Exception as error:  # noqa: BLE001 - the others go on; the message of a bug may hold a value
            if is_exhausted(error):
                return DECLINE
            reported = bug_of(error)
        tally.add(lambda metrics: metrics.fail(reported))
        return failed(reported)

    def _exec(self, asked: AgentRequest, client: RequestClient, tally: Tally) -> AgentAnswer:
        """Return the environment of the command, for a client that then replaces itself with the command."""
        run = ClientRun(asked, client, self._shared, self._lines, tally, shows_notes=True)
        line = self._lines.exec_line(run.words, run.runtime.environ)
        if line is None or run.needs_client(line.request):
            return DECLINE
        with run.pipeline(line.request, program=line.program[0]) as pipeline:
            planned = run.plan_command(line)
            if planned is None:
                return DECLINE
            environment = _environment(run, line, *planned, pipeline)
        return result([name + b"=" + value for name, value in environment.items()])

    def _answer(self, asked: AgentRequest, client: RequestClient, tally: Tally) -> AgentAnswer:
        """Return the stdout of a command, and its exit code unless that is 0."""
        shows_notes = asked.words[1:2] != [HOOK.encode()]
        run = ClientRun(asked, client, self._shared, self._lines, tally, shows_notes=shows_notes)
        line = self._lines.answer_line(run.words, run.runtime.environ)
        if line is None or run.needs_client(line.request):
            return DECLINE
        if isinstance(line, GetLine):
            return result([_got(run, line)])
        if isinstance(line, CredentialsLine):
            return result([_issued(run, line)])
        if isinstance(line, RenderLine):
            return result([_rendered(run, line)])
        if isinstance(line, CompleteLine):
            return result([line.text_of(run.runtime, run.config_to_complete)])
        calls, text, code = _loaded(run, line)
        if text:
            client.note(f"{text}\n")
        return result([calls, b"%d" % code] if code else [calls])

    def _secrets(self, asked: AgentRequest, client: RequestClient, tally: Tally) -> AgentAnswer:
        """Return the names and values of secrets, alternating, for a client that processes them further."""
        run = ClientRun(asked, client, self._shared, self._lines, tally, shows_notes=False)
        request = _request_of(asked)
        if request is None or run.needs_client(request):
            return DECLINE
        with run.pipeline(request) as pipeline:
            secrets = pipeline.secrets(run.plan(request), min_ttl_seconds=request.min_ttl_seconds)
        return result(with_who_answered(run.journal, secrets_fields(secrets)))

    def _credentials(self, asked: AgentRequest, client: RequestClient, tally: Tally) -> AgentAnswer:
        """Return the session of a store, for a client that processes it further."""
        run = ClientRun(asked, client, self._shared, self._lines, tally, shows_notes=False)
        request = _request_of(asked)
        if request is None or run.needs_client(request):
            return DECLINE
        with run.pipeline(request) as pipeline:
            plan = run.plan_session(request)
            session = pipeline.credentials(plan, request.store, min_ttl_seconds=request.min_ttl_seconds)
        return result(with_who_answered(run.journal, credentials_fields(session)))

    def _cached(self, asked: AgentRequest, client: RequestClient, tally: Tally) -> AgentAnswer:
        """Return the plan's cached sessions for which a user typed an MFA code; issue none and prompt for nothing."""
        run = ClientRun(asked, client, self._shared, self._lines, tally, shows_notes=False)
        request = _request_of(asked)
        if request is None or run.needs_client(request):
            return DECLINE
        with run.pipeline(request):
            sessions = run.cached_sessions(request)
        return result(cached_fields(sessions))

    def _status(self, _asked: AgentRequest, client: RequestClient, _tally: Tally) -> AgentAnswer:
        now = self._shared.now()
        self._shared.watch.drop_ended(self._cache, client.outside, is_fresh=True)
        started = self._started.strftime("%Y-%m-%dT%H:%M:%SZ")
        numbers = [str(os.getpid()).encode(), str(len(self._cache.values)).encode(), started.encode()]
        return result([*numbers, *[session_fields(session, now) for session in self._cache.held()]])

    def _clear(self, _asked: AgentRequest, _client: RequestClient, _tally: Tally) -> AgentAnswer:
        self._cache.clear()
        return result([])

    def _forget(self, asked: AgentRequest, _client: RequestClient, _tally: Tally) -> AgentAnswer:
        """Drop the cached sessions of a revoked role; return their number."""
        role = parse_arn(asked.words[1].decode())
        if role is None:
            return DECLINE
        return result([b"%d" % self._cache.forget(lambda session: is_session_of(session.arn, role))])

    def _forget_login(self, asked: AgentRequest, _client: RequestClient, _tally: Tally) -> AgentAnswer:
        """Drop an ended login's sessions, and all sessions issued with them; return the number of dropped sessions."""
        source = asked.words[1].decode()
        return result([b"%d" % self._cache.forget(lambda session: session.source == source)])

    def _metrics(self, asked: AgentRequest, client: RequestClient, _tally: Tally) -> AgentAnswer:
        self._shared.watch.drop_ended(self._cache, client.outside, is_fresh=True)
        metrics = self.sandbox_metrics if asked.words[1:] == [b"sandbox"] else self.metrics
        return result([metrics.registry.text().encode()])

    def _metrics_port(self, asked: AgentRequest, _client: RequestClient, _tally: Tally) -> AgentAnswer:
        """Start to serve metrics on a port; returns the port."""
        return result([b"%d" % self.metrics.serve(int(asked.words[1]))])

    def _stop(self, _asked: AgentRequest, _client: RequestClient, _tally: Tally) -> AgentAnswer:
        self._cache.clear()
        self.end()
        return result([])


def serve(
    listener: socket.socket,
    lines: CommandLines,
    now: Callable[[], datetime],
    *,
    idle_seconds: float | None = None,
    metrics_port: int | None = None,
    show_metrics_port: Callable[[int], None] = lambda _port: None,
) -> None:
    """Run an agent on this socket until it is stopped or idle. Raises AgentUnavailable for too few descriptors."""
    if 0 < os.sysconf("SC_OPEN_MAX") < 2 * SPARE_DESCRIPTORS:
        raise AgentUnavailable(
            "the agent can't run: the limit of open files is too low",
            hint=f"raise the hard limit of open files (see `ulimit -Hn`) to {2 * SPARE_DESCRIPTORS} or more",
        )
    keeper = SessionKeeper(now, lines)
    limits = ClientLimits() if idle_seconds is None else ClientLimits(idle_seconds=idle_seconds)
    server = AgentServer(listener, keeper.work, limits)
    keeper.end = server.stop
    if metrics_port is not None:
        show_metrics_port(keeper.metrics.serve(metrics_port))
    try:
        server.run()
    finally:
        keeper.writer.finish(_WRITING_SECONDS)


def _environment(run: ClientRun, line: ExecLine, plan: Plan, store: str, pipeline: Pipeline) -> Mapping[bytes, bytes]:
    """Return the environment of the command that a client of `dsops exec` runs.

    The environment includes the session of `store`, unless `store` is "".
    """
    min_ttl_seconds, facts, session = line.request.min_ttl_seconds, {}, None
    if store:
        secrets, sessions = pipeline.secrets_and_sessions(plan, [store], min_ttl_seconds=min_ttl_seconds)
        session, facts = ChildIdentity(session_variables(sessions[0]), plan.steps[store].region), {"store": store}
    else:
        secrets, sessions = pipeline.secrets_with_sessions(plan, min_ttl_seconds=min_ttl_seconds)
    add_run(line.request.command, run.runtime, variables=list(secrets), **facts)
    return environment_of_child(
        plan,
        secrets,
        run.runtime,
        marks=marks_of(plan, sessions, store),
        session=session,
        is_pristine=line.is_pristine,
        keeps_existing=line.keeps_existing,
    )


def _got(run: ClientRun, line: GetLine) -> bytes:
    """Return the stdout of `dsops get`."""
    request = line.request
    with run.pipeline(request) as pipeline:
        plan = run.plan(request)
        value = only_value(pipeline.secrets(plan, min_ttl_seconds=request.min_ttl_seconds), plan)
        add_run(request.command, run.runtime, variables=[request.variable])
    return line.text_of(value, plan)


def _rendered(run: ClientRun, line: RenderLine) -> bytes:
    """Return the stdout of `dsops render`."""
    request = line.request
    with run.pipeline(request) as pipeline:
        plan = run.plan(request)
        values = pipeline.secrets(plan, min_ttl_seconds=request.min_ttl_seconds)
        add_run(request.command, run.runtime, variables=list(values))
        return line.text_of(values, plan, run.note)


def _loaded(run: ClientRun, line: HookLine) -> tuple[bytes, str, int]:
    """Return what `dsops hook-load` writes.

    An error becomes a line for stderr. It is raised instead if the agent's process has run out of resources, because
    the client may succeed.
    """
    request = line.request
    with run.pipeline(request) as pipeline:

        def fetch(plan: Plan) -> tuple[Mapping[str, Secret], list[Credentials]]:
            run.announce(plan)
            values, sessions = pipeline.secrets_with_sessions(plan, min_ttl_seconds=request.min_ttl_seconds)
            record_run(request.command, run.runtime, variables=list(values))
            return values, sessions

        return line.load(run.runtime, fetch, is_exhausted)


def _issued(run: ClientRun, line: CredentialsLine) -> bytes:
    """Return the stdout of `dsops credentials`."""
    request = line.request
    with run.pipeline(request) as pipeline:
        plan = run.plan_session(request)
        require_session(plan, request.store)
        session = pipeline.credentials(plan, request.store, min_ttl_seconds=request.min_ttl_seconds)
        add_run(request.command, run.runtime, store=request.store)
    return line.text_of(session)


def _request_of(asked: AgentRequest) -> PipelineRequest | None:
    """Decode the fields after the operation's name; None for fields that a client of this dsops never sends."""
    try:
        return request_of(asked.words[1:])
    except ValueError:
        return None
