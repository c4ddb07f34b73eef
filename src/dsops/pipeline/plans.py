"""Makes plans from a configuration, with the base credentials of this process or of the agent's client."""

from __future__ import annotations

import os
from collections.abc import Iterable

from dsops.credentials import Credentials
from dsops.environment import ACTIVE, DANGER, EXPIRES
from dsops.errors import UsageError, ValueUnusable
from dsops.model import Config
from dsops.plan import Ambient, Plan, Step, make_plan, plan_store
from dsops.resolve.identity import ambient_of, proof_of
from dsops.runtime import Runtime, user_name
from dsops.stores import StoreTypes

_PROCESS_KEY = os.urandom(32)
"""The HMAC key for digests of base identities. All plans of this process share it; no other process knows it."""


def plan_named(config: Config, name: str, runtime: Runtime, *, also: str = "", lasts: bool = False) -> Plan:
    """Return the plan of an environment. `also` and `lasts` are parameters of `make_plan`."""
    if runtime.journal is not None:
        runtime.journal.about(environment=name)
    return make_plan(
        config,
        name,
        environ=runtime.environ,
        user=user_name(),
        timestamp=runtime.timestamp,
        ambient=ambient_of(runtime.environ, _PROCESS_KEY, runtime.folder),
        proof=proof_of(runtime.environ, _PROCESS_KEY, runtime.folder),
        recorded=_recorded_policy,
        store_types=StoreTypes(),
        also=also,
        lasts=lasts,
        reason=runtime.reason,
    )


def plan_of_session(
    config: Config,
    store: str,
    runtime: Runtime,
    *,
    environment: str = "",
    lasts: bool = False,
    is_carried_out: bool = True,
) -> Plan:
    """Return the plan for a store's session.

    `environment` is the environment for which the session policy is generated; "" for none. `lasts` and
    `is_carried_out` are parameters of `plan_store`.
    """
    if environment:
        return plan_named(config, environment, runtime, also=store, lasts=lasts)
    return plan_store(
        config,
        store,
        environ=runtime.environ,
        user=user_name(),
        timestamp=runtime.timestamp,
        ambient=ambient_of(runtime.environ, _PROCESS_KEY, runtime.folder),
        proof=proof_of(runtime.environ, _PROCESS_KEY, runtime.folder),
        recorded=_recorded_policy,
        store_types=StoreTypes(),
        lasts=lasts,
        is_carried_out=is_carried_out,
        reason=runtime.reason,
    )


def _recorded_policy(path: str) -> str:
    # Imported only for a store with `session_policy_recording`, because the import reads AWS's service reference.
    from dsops.recording.session import recorded_session_policy

    return recorded_session_policy(path)


def environment_of_sessions(plan: Plan) -> str:
    """Return the plan's environment if a session policy depends on its variables; otherwise ""."""
    return plan.environment if any("session_policy_covers" in step.settings for step in plan.steps.values()) else ""


def require_session(plan: Plan, store: str) -> None:
    """Raise UsageError for a store that has no AWS credentials."""
    store_type = plan.steps[store].type
    if not store_type.gives_credentials and not store_type.takes_credentials:
        raise UsageError(
            f"store `{store}` has no credentials: its type is {store_type.name}",
            hint="name a store of the type aws.sts, or a store that reads secrets with AWS credentials",
            where=plan.steps[store].where,
        )


def stores_in_variables(plan: Plan) -> list[str]:
    """Return the stores whose sessions are the values of variables of the plan."""
    names = dict.fromkeys(variable.step for variable in plan.variables if variable.step)
    return [name for name in names if plan.steps[name].type.gives_credentials]


def dangerous_steps(plan: Plan) -> list[Step]:
    """Return the steps of stores with `danger: true`."""
    return [step for step in plan.steps.values() if step.settings.get("danger") is True]


def marks_of(plan: Plan, sessions: Iterable[Credentials], store: str = "") -> dict[str, str]:
    """Return the variables that tell the command its environment or store, and when its first session expires.

    `store` is the store whose session the command gets; "" if the command gets only the environment.
    """
    marks = {ACTIVE: store or plan.environment}
    ends = [session.expiration_text for session in sessions if session.expiration is not None]
    if ends:
        marks[EXPIRES] = min(ends)
    if dangerous_steps(plan):
        marks[DANGER] = "1"
    return marks


def base_identity(runtime: Runtime) -> Ambient:
    """Return the identity of the base credentials, as far as it can be found without a request or a prompt."""
    return ambient_of(runtime.environ, _PROCESS_KEY, runtime.folder)("")


def add_place(error: ValueUnusable, plan: Plan) -> None:
    """Add the file and line of the variable that the error names."""
    where = next((variable.where for variable in plan.variables if f"`{variable.name}`" in error.message), None)
    error.retell(error.message, where=where)
