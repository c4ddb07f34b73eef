"""Issues the sessions of stores for the node, with one cache, one audit trail and one pace for all of them.

The rate limits that AWS services have shown are shared by all calls (`aws.http.retries`), as in the agent.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

from dsops.aws.apis.secretsmanager import SecretValue, get_secret_value
from dsops.aws.http.call import Client, make_client
from dsops.aws.http.retries import KnownServices
from dsops.cache import CredentialCache
from dsops.credentials import Credentials
from dsops.errors import ConfigError, CredentialsExpired, CredentialsInvalid, DsopsError
from dsops.model import Config
from dsops.node.sessions import SessionKey
from dsops.node.token_checks import POD_VARIABLES, SPIFFE_VARIABLE
from dsops.pipeline.execution import Pipeline, carry_out
from dsops.pipeline.journal import LazyJournal, write_journal, write_quietly
from dsops.pipeline.plans import plan_of_session, require_session
from dsops.plan import Plan, region_of
from dsops.runtime import Act, Runtime
from dsops.stores.endpoints import endpoint_of

COMMAND = "node serve"
_SERVICE = "secretsmanager"


class SecretRequest(NamedTuple):
    """A secret that a caller asks for, as the arguments of GetSecretValue. Missing ones are ""."""

    store: str
    secret_id: str
    version_id: str
    version_stage: str


class NodeIssuer:
    """Issues sessions and reads secrets. Thread-safe."""

    def __init__(self, config: Config, runtime: Runtime, known_services: KnownServices | None = None) -> None:
        """Tests pass `known_services`, the rate limits that AWS's services have shown."""
        self._config = config
        self._runtime = runtime
        self.cache = CredentialCache(runtime.now, is_of_many=True)
        self._services: KnownServices = {} if known_services is None else known_services
        self._sandboxes: dict[str, str] = {}

    def check(self, stores: tuple[str, ...], secret_stores: tuple[str, ...]) -> None:
        """Raise ConfigError or UsageError for a store that does not exist or can't do what the node needs."""
        for store in stores:
            require_session(self._plan(store, _with_variables(self._runtime, _sample("a"))), store)
        for store in secret_stores:
            step = plan_of_session(self._config, store, self._runtime, lasts=True).steps[store]
            if step.type.service != _SERVICE or step.type.gives_credentials:
                raise ConfigError(
                    f"`secrets` names store `{store}`, which reads no secrets from Secrets Manager: its type is "
                    f"{step.type.name}",
                    hint="name a store that reads from Secrets Manager",
                    where=step.where,
                )

    def issue(self, key: SessionKey, old: Credentials | None, is_over: Callable[[], bool]) -> Credentials:
        """Return a new session of the store, which replaces `old`."""
        runtime = _with_variables(self._runtime_of_run(), dict(key.variables))
        plan, client = self._plan(key.store, runtime), self._client(runtime)
        try:
            return self._session(plan, key.store, old, is_over, runtime, client)
        finally:
            write_quietly(runtime)

    def varying(self, stores: Collection[str]) -> frozenset[str]:
        """Return the stores whose sessions depend on the caller: they, or their sources, name variables of callers."""
        runtimes = [_with_variables(self._runtime, _sample(name)) for name in ("a", "b")]
        prints = {
            store: {str(self._plan(store, runtime).steps[store].fingerprint) for runtime in runtimes}
            for store in stores
        }
        return frozenset(store for store, found in prints.items() if len(found) > 1)

    def read(self, request: SecretRequest) -> SecretValue:
        """Return the secret, read with the session of its store."""
        runtime = self._runtime_of_run()
        plan, client = self._plan(request.store, runtime), self._client(runtime)
        pipeline = Pipeline(runtime, self.cache, client=client)
        credentials = pipeline.credentials(plan, request.store)
        try:
            try:
                return self._value(request, plan, credentials, runtime, client)
            except (CredentialsInvalid, CredentialsExpired):
                credentials = pipeline.renewed(plan, request.store, credentials, lambda: False)
                return self._value(request, plan, credentials, runtime, client)
        except DsopsError as error:
            _add_read(request, plan, credentials, runtime, error=error)
            write_quietly(runtime)
            raise

    def _value(
        self, request: SecretRequest, plan: Plan, credentials: Credentials, runtime: Runtime, client: Client
    ) -> SecretValue:
        step = plan.steps[request.store]
        endpoint = endpoint_of(step, _SERVICE, runtime, region_of(request.secret_id, step))
        call = get_secret_value(
            client, credentials, endpoint, request.secret_id, request.version_id, request.version_stage
        )
        value = carry_out(call, runtime)
        _add_read(request, plan, credentials, runtime, value=value)
        write_journal(runtime)
        return value

    def _session(
        self,
        plan: Plan,
        store: str,
        old: Credentials | None,
        is_over: Callable[[], bool],
        runtime: Runtime,
        client: Client,
    ) -> Credentials:
        pipeline = Pipeline(runtime, self.cache, client=client)
        if old is not None:
            return pipeline.renewed(plan, store, old, is_over)
        return pipeline.credentials(plan, store)

    def _plan(self, store: str, runtime: Runtime) -> Plan:
        return plan_of_session(self._config, store, runtime, lasts=True)

    def _client(self, runtime: Runtime) -> Client:
        return make_client(runtime, known_services=self._services, sandboxes=self._sandboxes)

    def _runtime_of_run(self) -> Runtime:
        """Return the runtime of one call, with its own run in the audit trail and its own timestamp."""
        base = self._runtime
        return base._replace(journal=make_journal(base), timestamp=base.now().strftime("%Y%m%dT%H%M%SZ"), run_memory={})


def _with_variables(runtime: Runtime, variables: Mapping[str, str]) -> Runtime:
    return runtime._replace(environ={**runtime.environ, **variables}) if variables else runtime


def _sample(value: str) -> dict[str, str]:
    """Return values for the variables of callers."""
    return dict.fromkeys((*POD_VARIABLES, SPIFFE_VARIABLE), value)


def make_journal(runtime: Runtime) -> LazyJournal:
    """Return a journal for one run of the node."""
    journal = LazyJournal(runtime.environ, runtime.folder, runtime.now, _ignore, _ignore)
    journal.about(command=COMMAND)
    return journal


def _ignore(_text: str) -> None:
    """Warnings about the audit trail are shown once, when the node starts."""


def _add_read(
    request: SecretRequest,
    plan: Plan,
    credentials: Credentials,
    runtime: Runtime,
    *,
    value: SecretValue | None = None,
    error: DsopsError | None = None,
) -> None:
    """Add the read to the audit trail."""
    if runtime.journal is None:
        return
    step = plan.steps[request.store]
    asked = {"secretId": request.secret_id}
    asked |= {"versionId": request.version_id} if request.version_id else {}
    asked |= {"versionStage": request.version_stage} if request.version_stage else {}
    runtime.journal.add(
        Act(
            "GetSecretValue",
            service=_SERVICE,
            region=region_of(request.secret_id, step),
            caller=credentials.arn,
            key=credentials.access_key_id,
            asked=asked,
            request_id=value.request_id if value is not None else "",
            error=error,
            facts={"store": request.store, "secret": request.secret_id},
        )
    )
