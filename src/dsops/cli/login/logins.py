"""Which login to IAM Identity Center is meant, and the stores that work with it."""

from __future__ import annotations

from typing import NamedTuple

from dsops.aws.http.client import Client, make_client
from dsops.aws.identity.sso_session import SsoSession
from dsops.cli.framework.command import Arguments, Operand
from dsops.cli.framework.project import load_config, plan_one_store
from dsops.errors import ConfigError, UsageError
from dsops.model import Config
from dsops.pipeline.plans import plan_of_session
from dsops.plan import Step
from dsops.runtime import Runtime
from dsops.stores.sso_login import session_of

STORE = Operand("STORE", "a store with a login, or one that works with its credentials", is_required=False)


class RequestedLogin(NamedTuple):
    """A login that somebody wants to begin or end."""

    session: SsoSession
    step: Step
    """A store that works with it; its own address and time limits count."""
    stores: tuple[str, ...]
    """All stores of the configuration that work with it, as far as is known."""


def wanted_login(arguments: Arguments, runtime: Runtime, command: str) -> RequestedLogin:
    """The one login that the store leads to; without a store, the only one that there is."""
    config, name = load_config(arguments, runtime), arguments.operand("STORE")
    # What a session may do is nothing to its login.
    plan = plan_one_store(config, name, runtime, is_carried_out=False) if name else None
    every, failures = _logins(config, runtime)
    if plan is not None:
        steps = [step for step in plan.steps.values() if step.type == "aws.sso"]
        if not steps:
            hint = f"stores with a login are {', '.join(_names(every))}" if every else ""
            if any("saml_login_url" in step.settings for step in plan.steps.values()):
                hint = f"`dsops whoami {name}` logs in with SAML, and the agent keeps the session"
            raise UsageError(f"store `{name}` needs no login", hint=hint, where=config.stores[name].where)
        session = session_of(steps[0].settings, runtime.environ, runtime.folder)
        stores = next((each.stores for each in every if each.session == session), (steps[0].name,))
        return RequestedLogin(session, steps[0], stores)
    if not every and failures:
        raise failures[0]
    if not every:
        raise UsageError("no store of the configuration has a login", hint="a login is for stores of the type aws.sso")
    if len(every) > 1:
        commands = ", ".join(f"`dsops {command} {each.stores[0]}`" for each in every)
        raise UsageError("there are several logins, and none is named", hint=f"it is one of {commands}")
    return every[0]


def _logins(config: Config, runtime: Runtime) -> tuple[list[RequestedLogin], list[ConfigError]]:
    """Every login of the configuration, with its stores; and what is wrong with stores that have none therefore."""
    found: dict[SsoSession, list[Step]] = {}
    failures: list[ConfigError] = []
    for name, store in config.stores.items():
        if store.type != "aws.sso":
            continue
        try:
            step = plan_of_session(config, name, runtime).steps[name]
        except ConfigError as error:
            failures.append(error)
            continue
        found.setdefault(session_of(step.settings, runtime.environ, runtime.folder), []).append(step)
    logins = [RequestedLogin(session, steps[0], tuple(step.name for step in steps)) for session, steps in found.items()]
    return logins, failures


def _names(every: list[RequestedLogin]) -> list[str]:
    return [name for each in every for name in each.stores]


def client_of(wanted: RequestedLogin, runtime: Runtime) -> Client:
    """What asks for it, with the store's own time limit."""
    client, milliseconds = make_client(runtime), wanted.step.settings.get("timeout_ms")
    return client._replace(total_timeout_ms=milliseconds) if isinstance(milliseconds, int) else client


def login_value(wanted: RequestedLogin) -> dict[str, str | list[str] | None]:
    """The login for programs."""
    session = wanted.session
    return {
        "session": session.name or None,
        "start_url": session.start_url,
        "region": session.region,
        "stores": list(wanted.stores),
    }
