"""`dsops exec --credentials STORE`: passes a store's session to the command, or serves it while the command runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from dsops.agent.credential_endpoint import CredentialEndpoint
from dsops.agent.remote import RemotePipeline
from dsops.agent.renewal import Renewal
from dsops.cache import CredentialCache
from dsops.cli.framework.command import Arguments
from dsops.cli.framework.output import note
from dsops.cli.framework.project import agent_of, show_notes
from dsops.cli.run.guard_flags import is_guarded
from dsops.cli.run.listen_address import parse_listen
from dsops.credentials import USABLE_SECONDS, Credentials
from dsops.environment import ChildIdentity, endpoint_variables, session_variables
from dsops.errors import UsageError
from dsops.model import Config
from dsops.pipeline.execution import Pipeline
from dsops.pipeline.journal import record_run, write_journal
from dsops.pipeline.plans import environment_of_sessions
from dsops.pipeline.target import RunTarget, plan_target, require_one_session
from dsops.plan import Plan
from dsops.runtime import Event, Runtime, empty_file, ignore, no_prompt
from dsops.secret import Secret
from dsops.startup import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from dsops.process.watch import Attendant, Start


class CommandSession(NamedTuple):
    """The secrets and session that a command gets, and the renewal and endpoint that run with the command."""

    secrets: Mapping[str, Secret]
    identity: ChildIdentity
    attendants: Sequence[Attendant]
    credentials: Credentials
    listeners: list[Callable[[Credentials], None]]
    """Functions that are called with each new session, before the command can get that session."""
    start: Start | None = None
    """How the command is started; None for the usual way."""


def is_served(arguments: Arguments) -> bool:
    """Whether the session will be renewed while the command runs."""
    return is_guarded(arguments) or arguments.switch("--serve") or bool(arguments.text("--listen"))


def plan_with_session(target: RunTarget, config: Config, arguments: Arguments, runtime: Runtime) -> Plan:
    """Plan a run that needs the session of the target's store; shows notes on stderr."""
    lasts = is_served(arguments)
    plan = plan_target(target, config, runtime, arguments.command, lasts=lasts)
    show_notes(plan.notes)
    require_one_session(plan, target.store)
    if lasts:
        _note_codes(plan, target.store)
    return plan


def fetch_with_session(plan: Plan, store: str, arguments: Arguments, runtime: Runtime) -> CommandSession:
    """Fetch the plan's secrets and the store's session; with --serve, also start the renewal and the endpoint.

    The audit record is written before this function returns.
    """
    cache = CredentialCache(runtime.now, is_of_one_run=True)
    agent = agent_of(plan, arguments, runtime)
    from_agent = _from_agent(agent, plan, store, lasts=is_served(arguments)) if agent else None
    if from_agent:
        secrets, credentials = from_agent
    else:
        min_ttl_seconds, agent = arguments.seconds("--min-ttl"), None
        pipeline = Pipeline(runtime, cache)
        secrets, [credentials] = pipeline.secrets_and_sessions(plan, [store], min_ttl_seconds=min_ttl_seconds)
    record_run(arguments.name, runtime, variables=list(secrets), store=store)
    step = plan.steps[store]
    if not is_served(arguments):
        identity = ChildIdentity(session_variables(credentials), step.region)
        return CommandSession(secrets, identity, (), credentials, [])
    if credentials.expiration is None and is_guarded(arguments):
        return _guarded(lambda: credentials, credentials, secrets, plan, store, arguments, runtime)
    if credentials.expiration is None:
        raise UsageError(
            f"store `{store}` uses long-term keys, which do not expire and need no renewal",
            hint="leave out `--serve`: the command then gets the keys as variables",
            where=step.where,
        )
    listeners: list[Callable[[Credentials], None]] = []
    # The terminal belongs to the command while it runs, so dsops asks nothing, and shows progress only with --verbose.
    quiet = runtime._replace(ask=no_prompt, report=runtime.report if arguments.switch("--verbose") else ignore)
    quiet_agent = agent._replace(runtime=quiet) if agent else None
    issue = _issuer(plan, store, quiet_agent, Pipeline(quiet, cache), quiet)
    renewal = _renewal(credentials, issue, listeners, _reporter(store, arguments, runtime), runtime)
    if is_guarded(arguments):
        session = _guarded(lambda: renewal.current, credentials, secrets, plan, store, arguments, runtime)
        return session._replace(attendants=(renewal, *session.attendants), listeners=listeners)
    endpoint = _open(renewal, arguments.text("--listen"))
    identity = ChildIdentity(endpoint_variables(endpoint.address, endpoint.token, empty_file()), step.region)
    return CommandSession(secrets, identity, (renewal, endpoint), credentials, listeners)


def _guarded(
    current: Callable[[], Credentials | None],
    credentials: Credentials,
    secrets: Mapping[str, Secret],
    plan: Plan,
    store: str,
    arguments: Arguments,
    runtime: Runtime,
) -> CommandSession:
    """Open the guard: the command gets placeholder keys in place of the session."""
    from dsops.cli.run.exec_guard import open_guarded

    guarded = open_guarded(current, credentials, plan, store, arguments, runtime)
    return CommandSession(secrets, guarded.identity, guarded.attendants, credentials, [], guarded.start)


def _from_agent(
    agent: RemotePipeline, plan: Plan, store: str, *, lasts: bool
) -> tuple[Mapping[str, Secret], Credentials] | None:
    """Get the secrets and the session from the agent; None if this process has to do the work."""
    secrets: Mapping[str, Secret] | None = {}
    if plan.variables:
        secrets = agent.secrets(plan.environment, also=store, lasts=lasts)
    credentials = None if secrets is None else agent.credentials(store, environment_of_sessions(plan), lasts=lasts)
    return None if secrets is None or credentials is None else (secrets, credentials)


def _renewal(
    credentials: Credentials,
    issue: Callable[[Credentials, Callable[[], bool]], Credentials],
    listeners: list[Callable[[Credentials], None]],
    tell: Callable[[Event], None],
    runtime: Runtime,
) -> Renewal:
    """Create the renewal of the session; listeners get each new session before the command does."""

    def report(event: Event) -> None:
        new = renewal.current
        if event.name == "session.renewed" and new is not None:
            for listener in listeners:
                listener(new)
        tell(event)

    renewal = Renewal(credentials, issue, now=runtime.now, random=runtime.random, report=report)
    return renewal


def _issuer(
    plan: Plan, store: str, agent: RemotePipeline | None, pipeline: Pipeline, runtime: Runtime
) -> Callable[[Credentials, Callable[[], bool]], Credentials]:
    """Return a function that issues a new session: with the agent, or in this process if the agent has ended.

    The function runs in a thread while the command runs.
    """

    def issue(old: Credentials, is_over: Callable[[], bool]) -> Credentials:
        if agent is not None:
            longer = max(USABLE_SECONDS, old.seconds_left(runtime.now()) + 1)
            environment = environment_of_sessions(plan)
            new = agent.credentials(store, environment, lasts=True, min_ttl_seconds=longer)
            if new is not None:
                return new
        renewed = pipeline.renewed(plan, store, old, is_over)
        write_journal(runtime)
        return renewed

    return issue


def _open(renewal: Renewal, listen: str) -> CredentialEndpoint:
    """Open the endpoint: on loopback, unless `--listen` names another address of this machine."""
    if not listen:
        return CredentialEndpoint(renewal)
    address, port = parse_listen(listen)
    endpoint = CredentialEndpoint(renewal, address=str(address), port=port)
    if not address.is_loopback:
        note(
            f"credentials are served on {endpoint.address}, unencrypted, to clients that have the token:"
            " an attacker who can listen in on that network gets both"
        )
    return endpoint


def _note_codes(plan: Plan, store: str) -> None:
    """Show a note if a renewal needs an MFA code: dsops can't ask for a code while the command runs."""
    name = store
    while name:
        step = plan.steps[name]
        if "serial_number" in step.settings and "role_arn" in step.settings and "mfa_process" not in step.settings:
            note(
                f"the session of `{step.name}` can't be renewed without an MFA code, and you are not asked for one"
                " while the command runs: `mfa_process`, or `duration_seconds` of at most 3600, would let it go on"
            )
        name = step.credentials_from


def _reporter(store: str, arguments: Arguments, runtime: Runtime) -> Callable[[Event], None]:
    """Return a function that shows the session's end; with --verbose, all events.

    Other events are not shown, because the terminal belongs to the command.
    """

    def report(event: Event) -> None:
        if event.name == "session.ended":
            note(f"the command's session of `{store}` has ended and could not be renewed: {event.facts['why']}")
        elif arguments.switch("--verbose"):
            runtime.report(event)

    return report
