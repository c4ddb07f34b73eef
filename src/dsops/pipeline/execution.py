"""Executes a plan: returns secrets, sessions or a command's variables. Also runs other work that sends requests."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dsops import tasks
from dsops.aws.http.call import Client, make_client
from dsops.cache import CredentialCache
from dsops.credentials import Credentials
from dsops.environment import ChildIdentity, child_environment, encode
from dsops.errors import SecretNotFound, ServiceError, ValueUnusable
from dsops.pipeline.journal import LazyJournal, write_journal, write_quietly
from dsops.pipeline.plans import add_place
from dsops.plan import Plan, ambient_fingerprint
from dsops.resolve import Resolver, issue_credentials, resolve
from dsops.runtime import Runtime
from dsops.secret import Secret
from dsops.startup import Protocol

_LOOK_SECONDS = 0.1
"""The interval in seconds between checks whether the result of the work is still needed."""


class Run(Protocol):
    """Protocol: runs work that may send requests."""

    def __call__(self, work: tasks.Work[tasks.T], /) -> tasks.T:
        """Run the work and return its result."""


class Pipeline:
    """Executes plans for one runtime: that of a command, of a Python program, or of one request to the agent.

    The calling code writes the audit record (`record_run`) before it returns a secret, because only the calling code
    knows the command.
    """

    def __init__(
        self,
        runtime: Runtime,
        cache: CredentialCache | None = None,
        *,
        client: Client | None = None,
        run: Run | None = None,
    ) -> None:
        """The agent passes a shared cache, the client state, and `run`, which keeps connections open.

        If `run` is passed, the calling code must also write the journal after a failure.
        """
        self._runtime = runtime
        self._client = make_client(runtime) if client is None else client
        self._cache = CredentialCache(runtime.now, is_of_one_run=True) if cache is None else cache
        self._run_work = run

    def secrets(self, plan: Plan, *, min_ttl_seconds: float | None = None) -> Mapping[str, Secret]:
        """Return the value of every variable of the plan; a missing optional secret is left out."""
        return self._run(resolve(plan, self._runtime, self._client, self._cache, min_ttl_seconds=min_ttl_seconds))

    def secrets_with_sessions(
        self, plan: Plan, *, min_ttl_seconds: float | None = None
    ) -> tuple[Mapping[str, Secret], list[Credentials]]:
        """Return the values of all variables, and the sessions that are among these values."""

        async def both() -> tuple[Mapping[str, Secret], list[Credentials]]:
            resolver = Resolver(plan, self._runtime, self._client, self._cache, min_ttl_seconds=min_ttl_seconds)
            secrets = await resolver.secrets()
            return secrets, list(resolver.handed_on.values())

        return self._run(both())

    def credentials(self, plan: Plan, store: str, *, min_ttl_seconds: float | None = None) -> Credentials:
        """Return the session of a store."""
        return self._run(self._issue(plan, store, min_ttl_seconds))

    def secrets_and_sessions(
        self, plan: Plan, stores: list[str], *, min_ttl_seconds: float | None = None
    ) -> tuple[Mapping[str, Secret], list[Credentials]]:
        """Return the plan's values and the sessions of some stores. Each role is assumed only once for both."""

        async def both() -> tuple[Mapping[str, Secret], list[Credentials]]:
            issuing = [await tasks.spawn(self._issue(plan, store, min_ttl_seconds)) for store in stores]
            secrets = await resolve(plan, self._runtime, self._client, self._cache, min_ttl_seconds=min_ttl_seconds)
            return secrets, [await session for session in issuing]

        return self._run(both())

    def renewed(self, plan: Plan, store: str, old: Credentials, is_over: Callable[[], bool]) -> Credentials:
        """Issue a session that replaces `old`. Raises ServiceError once `is_over` returns true."""
        for ambient in plan.ambient.values():
            self._cache.evict(ambient_fingerprint(ambient), old)
        for step in plan.steps.values():
            self._cache.evict(step.fingerprint, old)
        driver = _AbandonedDriver(self._runtime.environ, is_over)
        return _run_here(self._issue(plan, store, None), self._runtime, driver)

    def _issue(self, plan: Plan, store: str, min_ttl_seconds: float | None) -> tasks.Work[Credentials]:
        return issue_credentials(plan, store, self._runtime, self._client, self._cache, min_ttl_seconds=min_ttl_seconds)

    def _run(self, work: tasks.Work[tasks.T]) -> tasks.T:
        return self._run_work(work) if self._run_work else _run_here(work, self._runtime)


def carry_out(work: tasks.Work[tasks.T], runtime: Runtime) -> tasks.T:
    """Run work that may send requests, then write its recorded acts to the audit trail. Raises AuditFailed."""
    result = _run_here(work, runtime)
    write_journal(runtime)
    return result


def _run_here(work: tasks.Work[tasks.T], runtime: Runtime, driver: tasks.Driver | None = None) -> tasks.T:
    """Run the work; if it fails, write the acts recorded until then to the audit trail."""
    try:
        return tasks.run(_with_journal(work, runtime), driver or LazyDriver(runtime.environ))
    except BaseException:
        write_quietly(runtime)
        raise


async def _with_journal(work: tasks.Work[tasks.T], runtime: Runtime) -> tasks.T:
    """Run the work. Import the audit trail while the first requests wait for their answers."""
    if isinstance(runtime.journal, LazyJournal):
        journal = runtime.journal

        async def load() -> None:
            await tasks.pause(0)
            journal.load()

        _loading = await tasks.spawn(load())
    return await work


def only_value(secrets: Mapping[str, Secret], plan: Plan) -> Secret:
    """Return the value of the plan's only variable.

    Raises SecretNotFound if the variable is optional and its secret does not exist.
    """
    variable = plan.variables[0]
    value = secrets.get(variable.name)
    if value is None:
        raise SecretNotFound(
            f"`{variable.name}` has no value: its secret does not exist ({variable.source})",
            why="the variable is optional and has no `default`",
            hint="give the variable a `default`, or create the secret",
            where=variable.where,
        )
    return value


def environment_of_child(
    plan: Plan,
    secrets: Mapping[str, Secret],
    runtime: Runtime,
    *,
    marks: Mapping[str, str],
    session: ChildIdentity | None = None,
    is_pristine: bool,
    keeps_existing: bool,
) -> Mapping[bytes, bytes]:
    """Return the environment variables of a new command.

    `marks` come from `marks_of`. Raises ValueUnusable if an environment variable can't contain one of the values.
    """
    child = child_environment(
        runtime.environ, secrets, session=session, is_pristine=is_pristine, keeps_existing=keeps_existing, marks=marks
    )
    try:
        return encode(child)
    except ValueUnusable as error:
        add_place(error, plan)
        raise


class LazyDriver:
    """A driver that loads libcurl at the first request. An environment that has only literals never needs it."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._driver: tasks.Driver | None = None

    def start(self, request: object, token: object) -> None:
        """Begins a transfer."""
        self._opened().start(request, token)

    def prepare(self, request: object) -> None:
        """Opens a connection that a later request will need."""
        self._opened().prepare(request)

    def _opened(self) -> tasks.Driver:
        if self._driver is None:
            from dsops.aws.http.transport import open_driver

            self._driver = open_driver(self._environ)
        return self._driver

    def poll(self, timeout_seconds: float) -> list[tuple[object, object]]:
        """Return the transfers that have ended. Called only while at least one transfer is running."""
        return self._driver.poll(timeout_seconds) if self._driver else []

    def cancel(self) -> None:
        """Ends every transfer."""
        if self._driver:
            self._driver.cancel()


class _AbandonedDriver(LazyDriver):
    """A driver that raises ServiceError once the result of its work is no longer needed."""

    def __init__(self, environ: Mapping[str, str], is_over: Callable[[], bool]) -> None:
        super().__init__(environ)
        self._is_over = is_over

    def poll(self, timeout_seconds: float) -> list[tuple[object, object]]:
        """Return the ended transfers after at most `_LOOK_SECONDS`. Raises ServiceError once `is_over` returns true."""
        if self._is_over():
            raise ServiceError("the command has ended")
        return super().poll(min(timeout_seconds, _LOOK_SECONDS))
