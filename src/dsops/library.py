"""The library for Python programs: `dsops.open()` returns secrets and boto3 sessions from a dsops.yaml."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from dsops import tasks
from dsops.audit.journal import TrailJournal
from dsops.audit.record import origin_here
from dsops.aws.http.client import Client, make_client
from dsops.aws.http.transport import open_driver
from dsops.cache import CredentialCache
from dsops.config import load
from dsops.config.allow import not_allowed, refuse_shared
from dsops.credentials import Credentials
from dsops.errors import AuditFailed, EnvironmentUnknown, ExtraMissing, UsageError
from dsops.plan import Plan, make_plan, plan_store
from dsops.resolve import ambient_of, issue_credentials, proof_of, resolve
from dsops.runtime import (
    REASON_CHARACTERS,
    Act,
    Event,
    Runtime,
    ignore,
    is_reason,
    no_prompt,
    random_fraction,
    user_name,
    utc_now,
)
from dsops.secret import Secret
from dsops.stores import StoreTypes

if TYPE_CHECKING:
    from datetime import datetime

    import boto3


def open_library(
    config: str | os.PathLike[str] | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    folder: str | os.PathLike[str] | None = None,
    report: Callable[[Event], None] | None = None,
    now: Callable[[], datetime] = utc_now,
    reason: str = "",
) -> Library:
    """Implements `dsops.open`: load and check a configuration, to get secrets and sessions from.

    `config` names the file; without it, DSOPS_CONFIG or the nearest `dsops.yaml` at or above `folder` (the working
    folder) is used, which must be allowed (`dsops allow`). `environ` replaces the process's own environment, which is
    copied now. `report` gets the `--verbose` events, never a value. Nothing prompts for an MFA code: a store that
    needs one must have `mfa_process` or `token_code`. `reason` is like `--reason`; without it, DSOPS_REASON is used.
    Raises a ConfigError for a mistake in the configuration, UsageError for a reason that is not one line of text.
    """
    variables = dict(os.environ if environ is None else environ)
    here, tell = os.path.abspath(folder or os.curdir), report or ignore

    def warn(text: str) -> None:
        tell(Event("audit.not-written", {"why": text}))

    def told(text: str) -> None:
        tell(Event("audit.begun", {"note": text}))

    why = reason or variables.get("DSOPS_REASON", "")
    if not is_reason(why):
        raise UsageError("the reason can't be that", hint=f"it is one line of at most {REASON_CHARACTERS} characters")
    facts: dict[str, object] = {"command": "library", "program": sys.argv[0] if sys.argv else ""}
    facts |= {"reason": why} if why else {}

    def journal() -> TrailJournal:
        origin = origin_here(os.urandom(8).hex(), os.getpid(), here)
        return TrailJournal(variables, origin, now, warn, told, facts.copy())

    runtime = Runtime(
        environ=variables,
        now=now,
        ask=no_prompt,
        report=tell,
        random=random_fraction,
        folder=here,
        timestamp=now().strftime("%Y%m%dT%H%M%SZ"),
        reason=why,
    )
    return Library(os.fspath(config) if config is not None else variables.get("DSOPS_CONFIG", ""), runtime, journal)


class _Own(NamedTuple):
    """State that belongs to one process; a forked child makes its own."""

    runtime: Runtime
    client: Client
    journal: TrailJournal


class Library:
    """One open configuration. Thread-safe: a session is issued once for all threads.

    Sessions are cached in memory and renewed when requested with little time left; every call reads the secrets
    again. Raises the errors of `dsops.errors`, with `message`, `why`, `hint` and a stable `code`.
    """

    def __init__(self, named: str, runtime: Runtime, make_journal: Callable[[], TrailJournal]) -> None:
        self._runtime = runtime
        self._make_journal = make_journal
        self._config = load(folder=runtime.folder, environ=runtime.environ, named=named, types=StoreTypes())
        if not self._config.is_allowed:
            refuse_shared(self._config.files)
            file = self._config.files[0].shown
            raise not_allowed(file, or_else=f'; or name it: `dsops.open("{file}")`')
        self._owns: dict[int, _Own] = {}
        """By process id. No lock, because a thread of the parent process might hold it during the fork."""
        self._cache = CredentialCache(runtime.now)
        self._key = os.urandom(32)
        self._plans: dict[tuple[str, str, str], Plan] = {}

    def _own(self) -> _Own:
        pid = os.getpid()
        return self._owns.get(pid) or self._owns.setdefault(pid, self._make_own())

    def _make_own(self) -> _Own:
        journal = self._make_journal()
        journal.about(config=self._config.files[0].path)
        runtime = self._runtime._replace(journal=journal)
        return _Own(runtime, make_client(runtime), journal)

    def secrets(self, environment: str = "") -> Mapping[str, Secret]:
        """The variables of an environment ("" for the default or only one) and their values.

        A Secret prints as `***`; `reveal()` returns the text, `reveal_bytes()` also works for values that are not
        UTF-8.
        """
        plan, own = self._plan_of("environment", self._name(environment)), self._own()
        return self._carry_out(
            own,
            resolve(plan, own.runtime, own.client, self._cache),
            environment=plan.environment,
            variables=[variable.name for variable in plan.variables],
        )

    def credentials(self, store: str, *, environment: str = "") -> Credentials:
        """The session that a store issues or reads with, from the cache while enough of its time is left.

        `environment` is what the session is for; a store with `session_policy: auto` requires it.
        """
        plan, own = self._plan_of_session(store, environment), self._own()
        work = issue_credentials(plan, store, own.runtime, own.client, self._cache)
        return self._carry_out(own, work, store=store, **({"environment": environment} if environment else {}))

    def _carry_out(self, own: _Own, work: tasks.Work[tasks.T], **facts: object) -> tasks.T:
        """Run the work, write the audit trail, and return the result."""
        try:
            result = tasks.run(work, open_driver(own.runtime.environ))
        except BaseException:
            with suppress(AuditFailed):
                own.journal.write()
            raise
        own.journal.add(Act("Open", facts=facts))
        own.journal.write()
        return result

    def boto3_session(
        self,
        store: str,
        *,
        environment: str = "",
        **options: Any,  # passed on to boto3.Session
    ) -> boto3.Session:
        """A boto3 session with that store's credentials, which renew themselves.

        Its region is the store's unless `region_name` is given. For everything but credentials boto3 reads this
        process's environment and files, as usual. Raises ExtraMissing without boto3.
        """
        try:
            import boto3
        except ImportError as error:
            from dsops.extras import pip_install

            raise ExtraMissing("boto3 is not installed", hint=f"install it: {pip_install('boto3')}") from error
        from botocore.credentials import CredentialProvider, RefreshableCredentials
        from botocore.credentials import Credentials as FixedCredentials
        from botocore.session import Session as BotocoreSession

        def metadata() -> dict[str, str]:
            credentials = self.credentials(store, environment=environment)
            return {
                "access_key": credentials.access_key_id,
                "secret_key": credentials.secret_access_key.reveal(),
                "token": credentials.session_token.reveal() if credentials.session_token else "",
                "expiry_time": credentials.expiration.isoformat() if credentials.expiration else "",
            }

        class Provider(CredentialProvider):  # type: ignore[misc]  # botocore ships no types
            METHOD = CANONICAL_NAME = "dsops"

            def load(self) -> object:
                fields = metadata()
                if not fields["expiry_time"]:
                    keys = fields["access_key"], fields["secret_key"], fields["token"] or None
                    return FixedCredentials(*keys, method=self.METHOD)
                return RefreshableCredentials.create_from_metadata(fields, metadata, self.METHOD)

        inner = BotocoreSession()
        # Before all other providers: keys in the environment would be another identity.
        inner.get_component("credential_provider").insert_before("env", Provider())
        region = self._plan_of_session(store, environment).steps[store].region
        return boto3.Session(botocore_session=inner, **{"region_name": region, **options})

    def _name(self, environment: str) -> str:
        name = environment or self._config.default_environment
        if name:
            return name
        names = list(self._config.environments)
        if len(names) == 1:
            return names[0]
        raise EnvironmentUnknown(
            "no environment is named",
            why=f"there are {', '.join(names)}" if names else "there is none",
            hint="name one, or set `default_env` in the file",
        )

    def _plan_of_session(self, store: str, environment: str) -> Plan:
        return self._plan_of("environment", environment, also=store) if environment else self._plan_of("store", store)

    def _plan_of(self, kind: str, name: str, *, also: str = "") -> Plan:
        """The plan of an environment or a store, cached unless its identity may change."""
        cached_plan = self._plans.get((kind, name, also))
        if cached_plan is not None:
            return cached_plan
        make = partial(make_plan, also=also) if kind == "environment" else plan_store
        plan = make(
            self._config,
            name,
            environ=self._runtime.environ,
            user=user_name(),
            timestamp=self._runtime.timestamp,
            ambient=ambient_of(self._runtime.environ, self._key, self._runtime.folder),
            proof=proof_of(self._runtime.environ, self._key, self._runtime.folder),
            store_types=StoreTypes(),
            reason=self._runtime.reason,
        )
        if any(step.proof and step.proof.may_change for step in plan.steps.values()):
            return plan  # a changed token or login is another identity, which needs another plan
        return self._plans.setdefault((kind, name, also), plan)
