"""Resolve the values of a plan's variables, or collect every error."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from dsops.aws.http.call import Client
from dsops.cache import HAND_ON, CredentialCache, LifetimeNeed
from dsops.config.allow import not_allowed
from dsops.credentials import Credentials
from dsops.errors import (
    ClockSkewed,
    CredentialsExpired,
    CredentialsInvalid,
    DsopsError,
    Failures,
    FieldMissing,
    RegionDisabled,
    SecretNotFound,
    ServiceError,
)
from dsops.model import Budget
from dsops.plan import Fingerprint, Plan, PlannedVariable, SecretReference, Step
from dsops.resolve import acts
from dsops.resolve.sessions import PlanSessions, require_reason
from dsops.runtime import Event, ReportedWait, Runtime
from dsops.secret import Secret
from dsops.startup import NamedTuple
from dsops.stores import secret_store
from dsops.stores.interface import SecretMetadata
from dsops.tasks import Work, settle

_Outcomes = Mapping[SecretReference, Secret | DsopsError]


class Trial(NamedTuple):
    """The result of trying the whole plan."""

    sessions: Mapping[str, Credentials | DsopsError]
    """Maps each step that issues a session to the session, or to the error.

    Sessions that fail for the same reason share one error.
    """
    outcomes: Mapping[str, _Outcomes | DsopsError]
    """Maps each step to the value or error of each reference. If the whole read failed, maps the step to one error."""


MISSING = (SecretNotFound, FieldMissing)
"""The errors after which a variable's `default` or `optional` applies.

Two errors are left out on purpose:

- AccessDenied. AWS also returns it for a missing secret if the caller lacks the permission to learn that the secret is
  missing. A denial must not silently become a default.
- The error for a secret that is scheduled for deletion. Users should notice the deletion before it happens.
"""

_OF_THE_STORE = (ServiceError, CredentialsInvalid, CredentialsExpired, ClockSkewed, RegionDisabled)
"""Errors that affect all secrets of a store, not only one."""

_NAMES_SHOWN = 5

_NO_SOURCE = ("batch", "cache_seconds", "timeout_ms")
_PLACES = ("AWS_ENDPOINT_URL", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "AWS_USE_")
"""Prefixes of the environment variables that select an endpoint."""


async def resolve(
    plan: Plan, runtime: Runtime, client: Client, cache: CredentialCache, *, min_ttl_seconds: float | None = None
) -> Mapping[str, Secret]:
    """Return the value of every variable, in the plan's order. An optional variable without a value is left out.

    Independent stores and reads run in parallel, and each secret is read once. If one read fails, the others are still
    attempted. Raises the only error, or Failures with all errors in the order of the variables. Each error contains
    the names of the variables that it affects.
    """
    return await Resolver(plan, runtime, client, cache, min_ttl_seconds=min_ttl_seconds).secrets()


async def issue_credentials(
    plan: Plan,
    step_name: str,
    runtime: Runtime,
    client: Client,
    cache: CredentialCache,
    *,
    min_ttl_seconds: float | None = None,
) -> Credentials:
    """Return the session that a step issues or uses for reading. It stays valid long enough for a client to use it."""
    return await Resolver(plan, runtime, client, cache, min_ttl_seconds=min_ttl_seconds).credentials(step_name)


class Resolver:
    """Carries out one plan once."""

    def __init__(
        self,
        plan: Plan,
        runtime: Runtime,
        client: Client,
        cache: CredentialCache,
        *,
        min_ttl_seconds: float | None = None,
    ) -> None:
        """Raises NotAllowed if dsops found the configuration by itself and the user has not allowed it."""
        if plan.unallowed:
            # Commands check the permission when they load the file. This is a second check.
            raise not_allowed(plan.unallowed)
        self._plan = plan
        self._runtime = runtime
        self._client = client
        self._cache = cache
        self._hand_on = HAND_ON if min_ttl_seconds is None else LifetimeNeed(True, min_ttl_seconds)
        self._variables: Mapping[str, list[PlannedVariable]] | None = None
        """The plan's variables by step, once they are needed."""
        self.handed_on: dict[str, Credentials] = {}
        """Maps a step to its session, for sessions that are values of variables. `secrets` fills this dict."""

    async def credentials(self, step_name: str) -> Credentials:
        """Return the session that a step issues or uses for reading, valid long enough for the child process."""
        step = self._plan.steps[step_name]
        while not step.type.gives_credentials and step.credentials_from:
            step = self._plan.steps[step.credentials_from]
        sessions = self._open({step.fingerprint: self._hand_on})
        if step.type.gives_credentials:
            return (await sessions.of_step(step.name)).credentials
        return (await sessions.base(step.profile)).credentials

    async def base(self, profile: str = "") -> Credentials:
        """Return the base credentials, which sign the first hop."""
        return (await self._open({}).base(profile)).credentials

    async def trial(self) -> Trial:
        """Issue every session and read every secret of the plan. Errors are returned, not raised."""
        issuing = [step for step in self._plan.steps.values() if step.type.gives_credentials]
        sessions, reads = self._begin()
        tried = await settle(*[sessions.of_step(step.name) for step in issuing])
        obtained = [outcome if isinstance(outcome, DsopsError) else outcome.credentials for outcome in tried]
        names = [step.name for step in issuing]
        return Trial(dict(zip(names, obtained, strict=True)), await self._outcomes(sessions, reads))

    async def secrets(self) -> Mapping[str, Secret]:
        """Return the value of every variable, as `resolve` does."""
        for step in self._plan.steps.values():
            require_reason(step)
        outcomes = await self._outcomes(*self._begin())
        values: dict[str, Secret] = {}
        failures = _FailureList()
        budget = Budget()
        for variable in self._plan.variables:
            value = _value(variable, outcomes, budget)
            if isinstance(value, DsopsError):
                failures.add(value, variable)
            elif value is not None:
                values[variable.name] = value
        failures.raise_any()
        return values

    def _begin(self) -> tuple[PlanSessions, Mapping[str, list[SecretReference]]]:
        """Return the sessions of this run, which are not issued yet.

        Returns also, for each step, the references that variables read from it.
        """
        by_step: dict[str, dict[SecretReference, None]] = {}
        for variable in self._plan.variables:
            if variable.reference is not None:
                by_step.setdefault(variable.step, {})[variable.reference] = None
        steps = [self._plan.steps[name] for name in by_step]
        # If variables read a session, the child process gets that session.
        sessions = self._open({step.fingerprint: self._hand_on for step in steps if step.type.gives_credentials})
        return sessions, {name: list(references) for name, references in by_step.items()}

    async def _outcomes(
        self, sessions: PlanSessions, reads: Mapping[str, list[SecretReference]]
    ) -> Mapping[str, _Outcomes | DsopsError]:
        works = [self._read(sessions, self._plan.steps[name], references) for name, references in reads.items()]
        return dict(zip(reads, await settle(*works), strict=True))

    def _open(self, handed_on: Mapping[Fingerprint, LifetimeNeed]) -> PlanSessions:
        return PlanSessions(self._plan, self._runtime, self._client, self._cache, handed_on)

    async def _read(self, sessions: PlanSessions, step: Step, references: list[SecretReference]) -> _Outcomes:
        """Read a step's secrets. Cached values are used first, because they need no session."""
        seconds = step.settings.get("cache_seconds")
        if not isinstance(seconds, int):
            return await self._fetch(sessions, step, references)
        values, source = self._cache.values, _source_of(step, self._runtime)
        era = values.era
        cached_values = {reference: values.get((source, reference)) for reference in references}
        cached_outcomes: dict[SecretReference, Secret | DsopsError] = {
            reference: value for reference, value in cached_values.items() if value is not None
        }
        if cached_outcomes:
            self._add_reads(step, cached_outcomes, {}, None, is_cached=True)
        left = [reference for reference in references if reference not in cached_outcomes]
        for result, count in (("hit", len(cached_outcomes)), ("miss", len(left))):
            self._runtime.measure("cache.secret", (result,), count)
        for reference, outcome in (await self._fetch(sessions, step, left) if left else {}).items():
            cached_outcomes[reference] = outcome
            if isinstance(outcome, Secret):
                values.keep((source, reference), outcome, seconds, era)
        return cached_outcomes

    async def _fetch(self, sessions: PlanSessions, step: Step, references: list[SecretReference]) -> _Outcomes:
        """Read a step's secrets. If AWS refuses a cached session, retry the refused reads with a new session."""
        store = secret_store(step.type.name)

        async def fetch(references_left: list[SecretReference], credentials: Credentials | None) -> _Outcomes:
            metadata: dict[SecretReference, SecretMetadata] = {}
            try:
                with ReportedWait(self._runtime.report, "secrets", step.name, count=str(len(references_left))):
                    outcomes_read = await store.fetch(
                        step, references_left, credentials, sessions.context(step, metadata=metadata)
                    )
            except DsopsError as error:
                sessions.add_read(error, step, "", credentials)
                self._add_reads(step, dict.fromkeys(references_left, error), metadata, credentials)
                raise
            _name_reads(outcomes_read, sessions, step, credentials)
            self._add_reads(step, outcomes_read, metadata, credentials)
            return outcomes_read

        if not store.store_type.takes_credentials:
            outcomes = await fetch(references, None)
        else:
            get = partial(sessions.of_step, step.name) if step.type.gives_credentials else partial(sessions.below, step)
            prepare: Callable[..., Work[None]] | None = getattr(store, "prepare", None)
            # If a store issues its own session, the connection is opened when the session is issued.
            if prepare is not None and not step.type.gives_credentials and not sessions.is_held(step):
                await prepare(step, references, sessions.context(step))
            obtained = await get()
            outcomes = await fetch(references, obtained.credentials)
            refused = _refused(outcomes)
            if refused and obtained.is_cached:
                sessions.forget(obtained.credentials, str(outcomes[refused[0]]), step)
                renewed = (await get()).credentials
                outcomes = {**outcomes, **await fetch(refused, renewed)}
                obtained = obtained._replace(credentials=renewed)
            if step.type.gives_credentials:
                self.handed_on[step.name] = obtained.credentials
        outcomes_read = sum(isinstance(outcome, Secret) for outcome in outcomes.values())
        self._runtime.report(
            Event("secrets.fetched", {"store": step.name, "count": str(outcomes_read), "of": str(len(references))})
        )
        return outcomes

    def _add_reads(
        self,
        step: Step,
        outcomes: _Outcomes,
        metadata_by_reference: Mapping[SecretReference, SecretMetadata],
        reader: Credentials | None,
        *,
        is_cached: bool = False,
    ) -> None:
        """Add the reads to the audit trail if the trail is on."""
        journal = self._runtime.journal
        if journal is not None:
            if self._variables is None:
                self._variables = self._plan.variables_by_step()
            is_of_sandbox = acts.is_of_sandbox(step, self._runtime, self._client.sandboxes)
            read = acts.reads(
                step,
                self._variables.get(step.name, ()),
                outcomes,
                metadata_by_reference,
                reader,
                self._runtime,
                is_cached=is_cached,
                is_of_sandbox=is_of_sandbox,
            )
            for act in read:
                journal.add(act)


def _name_reads(outcomes: _Outcomes, sessions: PlanSessions, step: Step, credentials: Credentials | None) -> None:
    """Add the secret's key to each error. An error that several secrets share gets no key."""
    keys: dict[int, str] = {}
    for reference, outcome in outcomes.items():
        keys[id(outcome)] = "" if id(outcome) in keys else reference.key
    for outcome in outcomes.values():
        if isinstance(outcome, DsopsError):
            sessions.add_read(outcome, step, keys[id(outcome)], credentials)


def _source_of(step: Step, runtime: Runtime) -> object:
    """Return the cache key of a step's values. It contains every setting that can change the value of a reference."""
    settings = [(name, value) for name, value in sorted(step.settings.items()) if name not in _NO_SOURCE]
    places = [(name, value) for name, value in sorted(runtime.environ.items()) if name.startswith(_PLACES)]
    return (step.fingerprint, step.type.name, step.region, *settings, *places, *step.endpoints)


def _refused(outcomes: _Outcomes) -> list[SecretReference]:
    return [
        reference
        for reference, outcome in outcomes.items()
        if isinstance(outcome, (CredentialsInvalid, CredentialsExpired))
    ]


def _value(
    variable: PlannedVariable, outcomes: Mapping[str, _Outcomes | DsopsError], budget: Budget
) -> Secret | DsopsError | None:
    """Return the variable's value, or its error; None if the variable is left out."""
    value: Secret | DsopsError | None = variable.literal
    if variable.reference is not None:
        of_step = outcomes[variable.step]
        value = of_step if isinstance(of_step, DsopsError) else of_step[variable.reference]
        if isinstance(value, MISSING) and variable.default is not None:
            return variable.default
        if isinstance(value, MISSING) and variable.optional:
            return None
    if isinstance(value, Secret) and variable.transforms:
        from dsops.transform import apply  # imported here, because most variables have no transforms

        try:
            return apply(value, variable.transforms, budget)
        except DsopsError as error:
            return error
    return value


class _FailureList:
    """Collects errors with the variables that they affect. An error that affects many variables is stored once."""

    def __init__(self) -> None:
        self._errors: dict[object, tuple[DsopsError, list[PlannedVariable]]] = {}
        self._keys: dict[int, object] = {}

    def add(self, error: DsopsError, variable: PlannedVariable) -> None:
        """Add a variable that has no value, with its error."""
        # A role that fails for several stores is one error, and so are ten failed reads from an unreachable store.
        of_the_store = isinstance(error, _OF_THE_STORE)
        key = self._keys.setdefault(id(error), (variable.step, type(error)) if of_the_store else id(error))
        self._errors.setdefault(key, (error, []))[1].append(variable)

    def raise_any(self) -> None:
        """Raise the error, or Failures if there are several; do nothing without errors."""
        errors = tuple([_with_variable_names(error, variables) for error, variables in self._errors.values()])
        if len(errors) == 1:
            raise errors[0]
        if errors:
            raise Failures(errors)


def _with_variable_names(error: DsopsError, variables: Sequence[PlannedVariable]) -> DsopsError:
    names = [variable.name for variable in variables]
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    error.retell(
        f"{error.message} (for {', '.join(names[:_NAMES_SHOWN])}{more})", where=error.where or variables[0].where
    )
    return error
