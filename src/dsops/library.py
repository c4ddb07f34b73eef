"""The library for Python programs: `dsops.open()` reads a dsops.yaml for its secrets and boto3 sessions."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from dsops.audit.journal import TrailJournal
from dsops.audit.record import origin_here
from dsops.cache import CredentialCache
from dsops.config.allow import not_allowed, refuse_shared
from dsops.credentials import Credentials
from dsops.errors import EnvironmentUnknown, ExtraMissing, UsageError
from dsops.pipeline.configuration import choose_environment, read_config
from dsops.pipeline.execution import Pipeline
from dsops.pipeline.journal import record_run
from dsops.pipeline.plans import plan_named, plan_of_session
from dsops.plan import Plan
from dsops.runtime import REASON_CHARACTERS, Event, Runtime, ignore, is_reason, no_prompt, random_fraction, utc_now
from dsops.secret import Secret

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
    """`dsops.open`: read and check a configuration; return a Library for its secrets and sessions.

    - `config`: the path of the file. Default: DSOPS_CONFIG. If that is not set, the nearest `dsops.yaml` in `folder` or
      above it, which the user must have allowed (`dsops allow`).
    - `environ`: environment variables to use instead of the process's own.
    - `folder`: default is the working folder.
    - `report`: called with the events of `--verbose`, which never contain a secret's value.
    - `reason`: the value of `--reason` (default: DSOPS_REASON).

    There is no prompt, so a store that needs an MFA code must have `mfa_process` or `token_code`. Raises ConfigError,
    and UsageError for a reason that is not one line of text.
    """
    variables = dict(os.environ if environ is None else environ)
    here, show = os.path.abspath(folder or os.curdir), report or ignore

    def warn(text: str) -> None:
        show(Event("audit.not-written", {"why": text}))

    def note(text: str) -> None:
        show(Event("audit.begun", {"note": text}))

    why = reason or variables.get("DSOPS_REASON", "")
    if not is_reason(why):
        raise UsageError("the reason is not valid", hint=f"write one line of at most {REASON_CHARACTERS} characters")
    facts: dict[str, object] = {"command": "library", "program": sys.argv[0] if sys.argv else ""}
    facts |= {"reason": why} if why else {}

    def journal() -> TrailJournal:  # not a LazyJournal: several threads may add acts at once
        origin = origin_here(os.urandom(8).hex(), os.getpid(), here)
        return TrailJournal(variables, origin, now, warn, note, facts.copy())

    runtime = Runtime(
        environ=variables,
        now=now,
        ask=no_prompt,
        report=show,
        random=random_fraction,
        folder=here,
        timestamp=now().strftime("%Y%m%dT%H%M%SZ"),
        reason=why,
    )
    return Library(os.fspath(config) if config is not None else variables.get("DSOPS_CONFIG", ""), runtime, journal)


class _Own(NamedTuple):
    """The state that belongs to one process. A forked child has its own journal, and uses no lock of its parent."""

    runtime: Runtime
    pipeline: Pipeline


class Library:
    """One configuration. Any number of threads may use it, and they share each issued session.

    Sessions are kept in memory and renewed when they have little time left. Secrets are read again in every call.
    Methods raise the errors of `dsops.errors`, which have `message`, `why`, `hint` and a stable `code`.
    """

    def __init__(self, named: str, runtime: Runtime, make_journal: Callable[[], TrailJournal]) -> None:
        self._runtime = runtime
        self._make_journal = make_journal
        self._config = read_config(runtime, named)
        if not self._config.is_allowed:
            refuse_shared(self._config.all_files)
            file = self._config.files[0].shown
            raise not_allowed(file, or_else=f'; or name it: `dsops.open("{file}")`')
        self._owns: dict[int, _Own] = {}
        """The state by process id.

        A forked child needs its own, because a thread of the parent may have held a lock.
        """
        self._cache = CredentialCache(runtime.now)
        self._plans: dict[tuple[str, str], Plan] = {}

    def _own(self) -> _Own:
        pid = os.getpid()
        return self._owns.get(pid) or self._owns.setdefault(pid, self._make_own())

    def _make_own(self) -> _Own:
        journal = self._make_journal()
        journal.about(config=self._config.files[0].path)
        runtime = self._runtime._replace(journal=journal)
        return _Own(runtime, Pipeline(runtime, self._cache))

    def secrets(self, environment: str = "") -> Mapping[str, Secret]:
        """Return the variables of an environment with their values.

        "" stands for the default environment, or for the only one. A Secret is printed as `***`. `reveal()` returns
        its text, and `reveal_bytes()` its bytes, which may not be valid UTF-8.
        """
        plan, own = self._plan(self._name(environment)), self._own()
        values = own.pipeline.secrets(plan)
        record_run("open", own.runtime, environment=plan.environment, variables=list(values))
        return values

    def credentials(self, store: str, *, environment: str = "") -> Credentials:
        """Return the session that a store issues, or the session that the store reads secrets with.

        A cached session is returned as long as it has enough time left. A store with `session_policy: auto` needs
        `environment`, the environment that uses the session.
        """
        plan, own = self._plan(environment, store), self._own()
        session = own.pipeline.credentials(plan, store)
        record_run("open", own.runtime, store=store, **({"environment": environment} if environment else {}))
        return session

    def boto3_session(
        self,
        store: str,
        *,
        environment: str = "",
        **options: Any,  # Any: the options of boto3.Session
    ) -> boto3.Session:
        """Return a boto3 session with that store's credentials. The session renews them.

        The region is the store's unless `region_name` sets another. All other settings come from this process's
        environment variables and AWS's files, as usual in boto3. Raises ExtraMissing if boto3 is not installed.
        """
        try:
            import boto3
        except ImportError as error:
            from dsops.extras import install_packages

            raise ExtraMissing("boto3 is not installed", hint=f"install it: {install_packages('boto3')}") from error
        from botocore.credentials import CredentialProvider, RefreshableCredentials
        from botocore.credentials import Credentials as FixedCredentials
        from botocore.session import Session as BotocoreSession

        def metadata() -> dict[str, str]:
            session = self.credentials(store, environment=environment)
            return {
                "access_key": session.access_key_id,
                "secret_key": session.secret_access_key.reveal(),
                "token": session.session_token.reveal() if session.session_token else "",
                "expiry_time": session.expiration.isoformat() if session.expiration else "",
            }

        class Provider(CredentialProvider):  # type: ignore[misc]  # botocore ships no types
            METHOD = CANONICAL_NAME = "dsops"

            def load(self) -> object:
                parts = metadata()
                if not parts["expiry_time"]:
                    keys = parts["access_key"], parts["secret_key"], parts["token"] or None
                    return FixedCredentials(*keys, method=self.METHOD)
                return RefreshableCredentials.create_from_metadata(parts, metadata, self.METHOD)

        inner = BotocoreSession()
        # This provider is placed before all others, because keys in the environment would be another identity.
        inner.get_component("credential_provider").insert_before("env", Provider())
        region = self._plan(environment, store).steps[store].region
        return boto3.Session(botocore_session=inner, **{"region_name": region, **options})

    def _name(self, environment: str) -> str:
        try:
            return choose_environment(self._config, environment)
        except EnvironmentUnknown as error:
            error.retell(error.message, hint="name one, or set `default_env` in the file")
            raise

    def _plan(self, environment: str, store: str = "") -> Plan:
        """Return the plan of an environment; with `store`, the plan of that store's session in the environment.

        Plans are cached.
        """
        cached_plan = self._plans.get((environment, store))
        if cached_plan is not None:
            return cached_plan
        if store:
            plan = plan_of_session(self._config, store, self._runtime, environment=environment)
        else:
            plan = plan_named(self._config, environment, self._runtime)
        if any(step.proof and step.proof.may_change for step in plan.steps.values()):
            return plan  # The plan is not cached, because the next login or token may be another identity.
        return self._plans.setdefault((environment, store), plan)
