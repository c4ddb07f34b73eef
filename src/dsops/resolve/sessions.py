"""Issue the sessions of a run.

Each session is issued at most once, after the session that signs its request. If AWS refuses a cached session, a new
session is issued.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from dsops.aws.http.call import Client
from dsops.aws.identity.ambient import ambient_from_environment, load_ambient
from dsops.cache import SIGN, CredentialCache, LifetimeNeed, Obtained
from dsops.credentials import Credentials
from dsops.errors import (
    CredentialsExpired,
    CredentialsInvalid,
    DsopsError,
    FailedOperation,
    Hop,
    LimitExceeded,
    NoCredentials,
    ReasonMissing,
)
from dsops.plan import SERVES, Fingerprint, Plan, SecretReference, Step, ambient_fingerprint, chained_too_long
from dsops.resolve import acts
from dsops.resolve.identity import is_as_planned
from dsops.runtime import Act, Event, ReportedWait, Runtime, no_prompt
from dsops.schema import REASON_TO
from dsops.startup import TypeVar
from dsops.stores import credential_store
from dsops.stores.interface import Context, SecretMetadata
from dsops.tasks import AsyncOnce, Work, blocking

T = TypeVar("T")


class PlanSessions:
    """The credentials of a plan's steps, and the base credentials.

    `handed_on` maps each session that the child process gets to the lifetime that it needs. A session with several
    uses is obtained once, with the longest of their lifetimes.
    """

    def __init__(
        self,
        plan: Plan,
        runtime: Runtime,
        client: Client,
        cache: CredentialCache,
        handed_on: Mapping[Fingerprint, LifetimeNeed],
    ) -> None:
        self._plan = plan
        self._runtime = runtime
        self._client = client
        self._cache = cache
        self._needs = handed_on
        self._obtained: dict[Fingerprint, AsyncOnce[Obtained]] = {}
        self._longest: dict[str, int] = {}
        """Step -> the number of hops of the longest chain that contains it; empty until it is needed."""
        self._heirs: set[str] = set()
        """The steps whose connection has been reused by a step that uses their session."""

    def context(
        self, step: Step, *, may_ask: bool = True, metadata: dict[SecretReference, SecretMetadata] | None = None
    ) -> Context:
        """Return the context for the step's store; its client has the step's timeouts."""
        milliseconds = step.settings.get("timeout_ms")
        client = self._client
        if isinstance(milliseconds, int):
            connect = min(milliseconds, client.connect_timeout_ms)
            client = client._replace(total_timeout_ms=milliseconds, connect_timeout_ms=connect)
        runtime = self._runtime if may_ask else self._runtime._replace(ask=no_prompt)
        return Context(runtime, client._replace(runtime=runtime), self._cache.memory, metadata)

    async def of_step(self, name: str) -> Obtained:
        """Return the session that a step issues."""
        step = self._plan.steps[name]
        require_reason(step)

        async def issue(may_ask: bool) -> Credentials:  # noqa: FBT001 (the cache's own call)
            return await self._issue(step, may_ask=may_ask)

        if step.type.gives_long_term:
            # A run reads the key once, and the agent never caches it. So locking the keyring takes effect.
            return await self._run_once(step.fingerprint, lambda: self._issue_uncached(issue))
        return await self._obtain_once(step.fingerprint, issue, step)

    async def below(self, step: Step) -> Obtained:
        """Return the credentials that sign a step's calls: those of another step's session, or base credentials."""
        if step.credentials_from:
            return await self.of_step(step.credentials_from)
        return await self.base(step.profile)

    def is_held(self, step: Step) -> bool:
        """Whether the step's credentials are available without a request: a cached session, or keys in variables."""
        if step.credentials_from:
            return self._cache.peek(self._plan.steps[step.credentials_from].fingerprint) is not None
        return not step.profile and ambient_from_environment(self._runtime.environ, self._runtime.now()) is not None

    async def base(self, profile: str) -> Obtained:
        """Return a profile's base credentials.

        If `profile` is "", they are the keys in environment variables, or else what botocore finds.
        """
        if not profile:
            keys = ambient_from_environment(self._runtime.environ, self._runtime.now())
            if keys is not None:
                # Keys in environment variables can't be renewed.
                return Obtained(keys, is_cached=False)

        if profile not in self._plan.ambient:
            raise NoCredentials("the plan has no base credentials for this profile")
        ambient = self._plan.ambient[profile]

        async def load(may_ask: bool) -> Credentials:  # noqa: FBT001 (the cache's own call)
            del may_ask
            environ, folder, now = self._runtime.environ, self._runtime.folder, self._runtime.now()
            with ReportedWait(self._runtime.report, "base", ambient.source):
                base = await blocking(lambda: load_ambient(environ, folder, profile, now=now))
            self._report("ambient.loaded", source=base.source, key=base.masked_key_id)
            if self._cache.is_of_many and not is_as_planned(ambient, environ, profile, folder):
                # The user has logged in or edited a file since planning. The credentials may now be another identity,
                # so the planned identity must not be their cache key.
                self._cache = self._cache.apart()
            return base

        return await self._obtain_once(ambient_fingerprint(ambient), load)

    async def signed(
        self, step: Step, get: Callable[[], Awaitable[Obtained]], use: Callable[[Credentials], Awaitable[T]]
    ) -> T:
        """Call `use` with credentials. If AWS refuses cached credentials, retry with new ones."""
        obtained = await get()
        try:
            return await use(obtained.credentials)
        except (CredentialsInvalid, CredentialsExpired) as error:
            if not obtained.is_cached:
                raise
            self.forget(obtained.credentials, str(error), step)
        return await use((await get()).credentials)

    def forget(self, credentials: Credentials, why: str, step: Step) -> None:
        """Evict credentials that AWS refused, so that the next request gets new ones."""
        for key, once in list(self._obtained.items()):
            obtained = once.peek()
            if obtained is not None and obtained.credentials is credentials:
                del self._obtained[key]
        for ambient in self._plan.ambient.values():
            self._cache.evict(ambient_fingerprint(ambient), credentials)
        for other_step in self._plan.steps.values():
            self._cache.evict(other_step.fingerprint, credentials)
        self._runtime.measure("session.evicted", (), 1)
        self._report("credentials.evicted", store=step.name, key=credentials.masked_key_id, why=why)

    def hop(self, step: Step) -> int:
        """Return the number of the hop: 1 if base credentials sign the step, 2 for the next step, and so on."""
        return 1 + (self.hop(self._plan.steps[step.credentials_from]) if step.credentials_from else 0)

    async def _obtain_once(
        self, fingerprint: Fingerprint, issue: Callable[[bool], Work[Credentials]], step: Step | None = None
    ) -> Obtained:
        return await self._run_once(fingerprint, lambda: self._obtain(fingerprint, issue, step))

    async def _run_once(self, fingerprint: Fingerprint, work: Callable[[], Work[Obtained]]) -> Obtained:
        if fingerprint not in self._obtained:
            self._obtained[fingerprint] = AsyncOnce(work)
        return await self._obtained[fingerprint].get()

    async def _issue_uncached(self, issue: Callable[[bool], Work[Credentials]]) -> Obtained:
        return Obtained(await issue(True), is_cached=False)

    async def _obtain(
        self, fingerprint: Fingerprint, issue: Callable[[bool], Work[Credentials]], step: Step | None
    ) -> Obtained:
        need, was_held = self._needs.get(fingerprint, SIGN), self._cache.has_held(fingerprint)
        store, hop = (step.name, self.hop(step)) if step is not None else ("", 0)
        obtained = await self._cache.obtain(fingerprint, issue, need, store=store, hop=hop)
        self._runtime.measure("cache.session", ("hit" if obtained.is_cached else "miss",), 1)
        if was_held and not obtained.is_cached:
            self._runtime.measure("session.renewed", (), 1)
        if obtained.is_cached:
            credentials = obtained.credentials
            self._report(
                "credentials.held",
                session=credentials.arn,
                key=credentials.masked_key_id,
                expires=credentials.expiration_text,
            )
            if step is not None:
                self.add_act(step, lambda: acts.held(step, credentials, hop, self._runtime), credentials.is_of_sandbox)
        return obtained

    async def _issue(self, step: Step, *, may_ask: bool) -> Credentials:
        store = credential_store(step.type.name)

        async def use(source: Credentials | None) -> Credentials:
            if source is not None:
                _check_chain(step, source)
            try:
                with self._wait(step):
                    issued = await store.issue(step, source, self.context(step, may_ask=may_ask))
            except DsopsError as error:
                self._runtime.measure("session.failed", (error.code, step.role), 1)
                self._add_hop(error, step, source)
                refused = error
                self.add_act(step, lambda: acts.issued(step, source, refused, self.hop(step), self._runtime))
                raise
            self._measure_issued(step, source, issued)
            self.add_act(step, lambda: acts.issued(step, source, issued, self.hop(step), self._runtime))
            self._tell_issued(step, source, issued)
            origin = source.source if source else step.proof.source if step.proof else ""
            return issued.from_source(origin, sandbox=acts.sandbox_of(step, self._runtime, self._client.sandboxes))

        if not store.store_type.takes_credentials or step.proof is not None:
            return await use(None)
        prepare: Callable[..., Work[None]] | None = getattr(store, "prepare", None)
        if prepare is not None and self._will_connect(step):
            await prepare(step, (), self.context(step))
        return await self.signed(step, lambda: self.below(step), use)

    def _will_connect(self, step: Step) -> bool:
        """Whether the step's call needs a new connection.

        The first step that uses a session can reuse the connection over which the session was issued.
        """
        if self.is_held(step):
            return False
        below = self._plan.steps.get(step.credentials_from)
        if below is None or below.name in self._heirs or _place(below) != _place(step):
            return True
        self._heirs.add(below.name)
        return False

    def _add_hop(self, error: DsopsError, step: Step, source: Credentials | None) -> None:
        """Add the failed hop to the error, with the hop's caller and the sessions of the previous hops."""
        token = step.proof.source if step.proof is not None else ""
        caller = (source.arn or source.masked_key_id) if source is not None else token
        error.add_tried(
            FailedOperation(
                step.operation,
                caller,
                step.name,
                step.role,
                hop=self.hop(step),
                hops=self._hops(step),
                before=self._hops_before(step),
                region=step.region,
                asks=self._explain_words(step),
            )
        )

    def add_read(self, error: DsopsError, step: Step, secret: str, credentials: Credentials | None) -> None:
        """Add the secret, the caller that reads it, and the previous hops to the error."""
        caller = (credentials.arn or credentials.masked_key_id) if credentials is not None else ""
        before, asks = self._hops_before(step), self._explain_words(step)
        error.add_tried(
            FailedOperation("", caller, step.name, secret=secret, before=before, region=step.region, asks=asks)
        )

    def _explain_words(self, step: Step) -> tuple[str, ...]:
        """Return the arguments of `dsops explain` for this step; () for a shared MFA session that the plan added."""
        if SERVES in step.settings:
            return ()
        environment = self._plan.environment
        return (*(("--env", environment) if environment else ()), step.name)

    def add_act(self, step: Step, act: Callable[[], Act], is_of_sandbox: bool | None = None) -> None:  # noqa: FBT001
        """Add a record to the audit trail if the trail is on. `is_of_sandbox` is passed only for a cached session."""
        if self._runtime.journal is not None:
            of_sandbox = self.is_of_sandbox(step) if is_of_sandbox is None else is_of_sandbox
            self._runtime.journal.add(act()._replace(is_of_sandbox=of_sandbox))

    def is_of_sandbox(self, step: Step) -> bool | None:
        """Whether a sandbox answered the step's requests; None for a step that sends no requests."""
        return acts.is_of_sandbox(step, self._runtime, self._client.sandboxes)

    def _hops(self, step: Step) -> int:
        """Return the number of hops of the longest chain that contains the step."""
        if not self._longest:
            steps = [issuer for issuer in self._plan.steps.values() if issuer.type.gives_credentials]
            for issuer in steps:  # the plan lists each step after the step whose credentials it uses
                self._longest[issuer.name] = 1 + self._longest.get(issuer.credentials_from, 0)
            for issuer in reversed(steps):
                if issuer.credentials_from in self._longest:
                    below = self._longest[issuer.credentials_from]
                    self._longest[issuer.credentials_from] = max(below, self._longest[issuer.name])
        return self._longest[step.name]

    def _hops_before(self, step: Step) -> tuple[Hop, ...]:
        if not step.credentials_from:
            return ()
        before = self._plan.steps[step.credentials_from]
        once = self._obtained.get(before.fingerprint)
        obtained = once.peek() if once is not None else None
        arn, expires = (obtained.credentials.arn, obtained.credentials.expiration_text) if obtained else ("", "")
        return (*self._hops_before(before), Hop(before.name, arn, expires))

    def _measure_issued(self, step: Step, source: Credentials | None, issued: Credentials) -> None:
        """Count the session by operation, role and caller, with its requested duration.

        The key id only distinguishes callers; it is not exported.
        """
        seconds = step.settings.get("duration_seconds")
        if not isinstance(seconds, int):
            ends = issued.expiration
            seconds = round((ends - self._runtime.now()).total_seconds()) if ends is not None else 0
        caller, key_id = (source.arn, source.access_key_id) if source is not None else ("", "")
        self._runtime.measure("session.issued", (step.operation or step.type.name, step.role, caller, key_id), seconds)

    def _tell_issued(self, step: Step, source: Credentials | None, issued: Credentials) -> None:
        token = step.proof.source if step.proof is not None else ""
        caller = (source.arn or source.masked_key_id) if source else token
        self._report(
            "credentials.issued",
            store=step.name,
            hop=str(self.hop(step)),
            caller=caller,
            role=str(step.settings.get("role_arn", "")),
            permission_set="" if "role_arn" in step.settings else step.role,
            session=issued.arn,
            key=issued.masked_key_id,
            expires=issued.expiration_text,
        )

    def _wait(self, step: Step) -> ReportedWait:
        """Return a ReportedWait for the time in which the step's session is issued."""
        role, hop, hops = step.role, str(self.hop(step)), str(self._hops(step))
        return ReportedWait(self._runtime.report, "session", step.name, role=role, hop=hop, hops=hops)

    def _report(self, name: str, **facts: str) -> None:
        self._runtime.report(Event(name, facts))


def require_reason(step: Step) -> None:
    """Raise ReasonMissing if the step sends the run's reason to AWS, but the user has given no reason."""
    if step.lacks_reason:
        to = str(step.settings[REASON_TO])
        raise ReasonMissing(
            f"store `{step.name}` requires a reason",
            why="the store sends the reason to AWS as the "
            f"{'source identity' if to == 'source_identity' else f'session {to}'}",
            hint="write `--reason TEXT`, or set DSOPS_REASON",
            where=step.where,
        )


def _place(step: Step) -> tuple[str, str, object]:
    """Return a value that identifies the endpoint that the step calls."""
    return (step.type.name, step.region, step.settings.get("endpoint_url"))


def _check_chain(step: Step, source: Credentials) -> None:
    """Raise LimitExceeded if the role requests more than an hour and the actual credentials make it a chained role.

    If it was known before that the role is chained, planning has already refused it.
    """
    if not source.is_temporary:
        return
    too_long = chained_too_long(step, "the base credentials turned out to be temporary")
    if too_long is not None:
        message, hint = too_long
        raise LimitExceeded(f"store `{step.name}`: `duration_seconds` {message}", hint=hint, where=step.where)
