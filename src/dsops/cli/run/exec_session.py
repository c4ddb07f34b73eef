"""`dsops exec --credentials STORE`: a store's session for the command, handed over once or served while it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

from dsops import tasks
from dsops.agent.renewal import Renewal
from dsops.agent.serve import CredentialEndpoint
from dsops.aws.http.client import make_client
from dsops.cache import CredentialCache
from dsops.cli.framework.command import Arguments
from dsops.cli.framework.on_record import add_run, hand_out, write_quietly
from dsops.cli.framework.output import note
from dsops.cli.framework.project import (
    LazyDriver,
    carry_out,
    environment_of_sessions,
    may_use_agent,
    plan_named,
    plan_one_store,
    show_notes,
)
from dsops.cli.run import agent_client
from dsops.cli.run.credentials import require_session
from dsops.credentials import USABLE_SECONDS, Credentials
from dsops.environment import IDENTITY, ChildIdentity, endpoint_variables, session_variables
from dsops.errors import ServiceError, UsageError
from dsops.model import Config
from dsops.plan import Plan, ambient_fingerprint
from dsops.process.watch import Attendant
from dsops.resolve import issue_credentials, resolve
from dsops.runtime import Event, Runtime, empty_file, ignore, no_prompt
from dsops.secret import Secret
from dsops.startup import NamedTuple

_LOOK_SECONDS = 0.1
"""How often a renewal that is under way looks whether the command still runs."""


class CommandSession(NamedTuple):
    """What a command gets, and what has to go on beside it for that."""

    secrets: Mapping[str, Secret]
    session: ChildIdentity
    attendants: Sequence[Attendant]
    credentials: Credentials
    listeners: list[Callable[[Credentials], None]]
    """Called with each new session, before the command can have it."""


def is_served(arguments: Arguments) -> bool:
    """Whether the session is to be renewed while the command runs."""
    return arguments.switch("--serve") or bool(arguments.text("--listen"))


def plan_with_session(config: Config, store: str, arguments: Arguments, runtime: Runtime) -> Plan:
    """What a run with that store's session would do; the plan's notes go to stderr.

    An environment takes part when it is named, or the default one: the session may be all that is wanted.
    """
    lasts = is_served(arguments)
    name = arguments.text("--env") or config.default_environment
    if name:
        plan = plan_named(config, name, runtime, also=store, lasts=lasts)
        show_notes(plan.notes)
    else:
        plan = plan_one_store(config, store, runtime, lasts=lasts)
    require_session(plan, store)
    own = next((variable for variable in plan.variables if variable.name in IDENTITY), None)
    if own is not None:
        raise UsageError(
            f"environment `{name}` sets {own.name}, and --credentials would set it too",
            why="two sessions are never mixed",
            hint="leave one of them out",
            where=own.where,
        )
    if lasts:
        _note_codes(plan, store)
    return plan


def fetch_with_session(plan: Plan, store: str, arguments: Arguments, runtime: Runtime) -> CommandSession:
    """The secrets of the plan and the store's session, each role assumed once for both."""
    cache = CredentialCache(runtime.now, is_of_one_run=True)
    found = _from_agent(plan, store, arguments, runtime)
    secrets, credentials = found or _from_here(plan, store, arguments, runtime, cache)
    add_run(arguments, runtime, variables=[each.name for each in plan.variables], store=store)
    hand_out(runtime)
    region = plan.steps[store].region
    if not is_served(arguments):
        return CommandSession(secrets, ChildIdentity(session_variables(credentials), region), (), credentials, [])
    if credentials.expiration is None:
        raise UsageError(
            f"store `{store}` works with keys that never end, and there is nothing to renew",
            hint="leave --serve out: the command gets the keys themselves",
            where=plan.steps[store].where,
        )
    listeners: list[Callable[[Credentials], None]] = []
    tell = _reporter(store, arguments, runtime)

    def report(event: Event) -> None:
        new = renewal.current
        if event.name == "session.renewed" and new is not None:
            for listener in listeners:
                listener(new)
        tell(event)

    issue = _issuer(plan, store, arguments, runtime, None if found else cache)
    renewal = Renewal(credentials, issue, now=runtime.now, random=runtime.random, report=report)
    endpoint = _open(renewal, arguments.text("--listen"))
    session = ChildIdentity(endpoint_variables(endpoint.address, endpoint.token, empty_file()), region)
    return CommandSession(secrets, session, (renewal, endpoint), credentials, listeners)


def _from_here(
    plan: Plan, store: str, arguments: Arguments, runtime: Runtime, cache: CredentialCache
) -> tuple[Mapping[str, Secret], Credentials]:
    """Secrets and session, got in this process."""
    client, min_ttl_seconds = make_client(runtime), arguments.seconds("--min-ttl")

    async def both() -> tuple[Mapping[str, Secret], Credentials]:
        issuing = await tasks.spawn(
            issue_credentials(plan, store, runtime, client, cache, min_ttl_seconds=min_ttl_seconds)
        )
        secrets = await resolve(plan, runtime, client, cache, min_ttl_seconds=min_ttl_seconds)
        return secrets, await issuing

    return carry_out(both(), runtime)


def _issuer(
    plan: Plan, store: str, arguments: Arguments, runtime: Runtime, cache: CredentialCache | None
) -> Callable[[Credentials, Callable[[], bool]], Credentials]:
    """What gets a new session, in a thread: nobody is asked, the terminal is the command's.

    Without a cache of this process it is the agent's; where that has gone since, it is got here all the same.
    """
    quiet = runtime._replace(ask=no_prompt, report=runtime.report if arguments.switch("--verbose") else ignore)
    client, own = make_client(quiet), cache or CredentialCache(runtime.now, is_of_one_run=True)

    def issue(held: Credentials, is_over: Callable[[], bool]) -> Credentials:
        if cache is None:
            longer = max(USABLE_SECONDS, held.seconds_left(runtime.now()) + 1)
            new = agent_client.credentials(
                arguments, quiet, store, environment=environment_of_sessions(plan), lasts=True, min_ttl_seconds=longer
            )
            if new is not None:
                return new
        for ambient in plan.ambient.values():
            own.evict(ambient_fingerprint(ambient), held)
        for step in plan.steps.values():
            own.evict(step.fingerprint, held)
        work = issue_credentials(plan, store, quiet, client, own)
        try:
            renewed = tasks.run(work, _UntilOver(LazyDriver(runtime.environ), is_over))
        except BaseException:
            write_quietly(runtime)
            raise
        hand_out(runtime)
        return renewed

    return issue


def _from_agent(
    plan: Plan, store: str, arguments: Arguments, runtime: Runtime
) -> tuple[Mapping[str, Secret], Credentials] | None:
    """Secrets and session of the agent's; None where there is none."""
    if not may_use_agent(arguments, runtime):
        return None
    lasts, secrets = is_served(arguments), {}
    if plan.variables:
        answered = agent_client.secrets(arguments, runtime, plan.environment, also=store, lasts=lasts)
        if answered is None:
            return None
        secrets = dict(answered)
    credentials = agent_client.credentials(
        arguments, runtime, store, environment=environment_of_sessions(plan), lasts=lasts
    )
    return None if credentials is None else (secrets, credentials)


def _open(renewal: Renewal, listen: str) -> CredentialEndpoint:
    """The endpoint, on loopback unless another address of this machine is named."""
    if not listen:
        return CredentialEndpoint(renewal)
    address, port = _address(listen)
    if address.is_unspecified:
        raise UsageError(
            f"`--listen {listen}` is every address of this machine",
            why="what is reachable from everywhere needs to be only where the container is",
            hint="name one, such as the address of a container network's bridge",
        )
    endpoint = CredentialEndpoint(renewal, address=str(address), port=port)
    if not address.is_loopback:
        note(
            f"credentials are served on {endpoint.address}, unencrypted, to who has the token:"
            " whoever can listen in on that network has both"
        )
    return endpoint


def _address(listen: str) -> tuple[IPv4Address | IPv6Address, int]:
    """`172.17.0.1`, `172.17.0.1:8080`, `::1`, `[::1]:8080`."""
    host, _, port = listen.rpartition(":") if listen.count(":") == 1 or "]:" in listen else (listen, "", "0")
    try:
        address = ip_address(host.strip("[]"))
    except ValueError:
        raise UsageError(
            f"`--listen {listen}` is no address",
            hint="write an IP address of this machine, with a port if it has to be a certain one: 172.17.0.1:8080",
        ) from None
    if not (port.isascii() and port.isdigit() and len(port) <= len("65535") and int(port) < 2**16):
        raise UsageError(f"`--listen {listen}` has no such port", hint="a port is a number below 65536")
    return address, int(port)


def _note_codes(plan: Plan, store: str) -> None:
    """Tells of a role whose every session takes a code of somebody who is not asked while the command runs."""
    name = store
    while name:
        step = plan.steps[name]
        if "serial_number" in step.settings and "role_arn" in step.settings and "mfa_process" not in step.settings:
            note(
                f"the session of `{step.name}` can't be renewed without an MFA code, and nobody is asked for one"
                " while the command runs: `mfa_process`, or `duration_seconds` of at most 3600, would let it go on"
            )
        name = step.credentials_from


def _reporter(store: str, arguments: Arguments, runtime: Runtime) -> Callable[[Event], None]:
    """Quiet while all is well: the terminal is the command's. That its session has ended, it can't know itself."""

    def report(event: Event) -> None:
        if event.name == "session.ended":
            note(f"the command's session of `{store}` has ended and could not be renewed: {event.facts['why']}")
        elif arguments.switch("--verbose"):
            runtime.report(event)

    return report


class _UntilOver:
    """A driver that gives up when nobody waits for its transfers any more."""

    def __init__(self, driver: tasks.Driver, is_over: Callable[[], bool]) -> None:
        self._driver = driver
        self._is_over = is_over

    def start(self, request: object, token: object) -> None:
        """Begins a transfer."""
        self._driver.start(request, token)

    def prepare(self, request: object) -> None:
        """Opens a connection that will be needed."""
        self._driver.prepare(request)

    def poll(self, timeout_seconds: float) -> list[tuple[object, object]]:
        """What is finished, asked for in short waits."""
        if self._is_over():
            raise ServiceError("the command has ended")
        return self._driver.poll(min(timeout_seconds, _LOOK_SECONDS))

    def cancel(self) -> None:
        """Ends every transfer."""
        self._driver.cancel()
