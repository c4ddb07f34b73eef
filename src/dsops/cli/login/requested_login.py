"""Finds the login to IAM Identity Center that `dsops login` and `dsops logout` act on."""

from __future__ import annotations

from dsops.cli.framework.command import Arguments, Operand
from dsops.cli.framework.project import load_config, plan_one_store
from dsops.errors import ConfigError, UsageError
from dsops.model import Config
from dsops.pipeline.plans import plan_of_session
from dsops.plan import Step
from dsops.runtime import Runtime
from dsops.stores import StoreTypes
from dsops.stores.login_groups import RequestedLogin, grouped_logins, login_of

STORE = Operand("STORE", "a store that logs in, or one that uses the credentials of such a store", is_required=False)


def requested_login(arguments: Arguments, runtime: Runtime, command: str) -> RequestedLogin:
    """Return the login of the named store; without a name, the only login of the configuration. Raises UsageError."""
    name = arguments.operand("STORE")
    config = load_config(arguments, runtime, names=(name,) if name else None)
    # The plan is not carried out: with `session_policy: auto`, a session needs an environment, a login does not.
    plan = plan_one_store(config, name, runtime, is_carried_out=False) if name else None
    logins, failures = _logins(config, runtime)
    if plan is not None:
        steps = [step for step in plan.steps.values() if step.type.service == "sso"]
        if not steps:
            hint = f"stores with a login are {', '.join(_names(logins))}" if logins else ""
            if any("saml_login_url" in step.settings for step in plan.steps.values()):
                hint = f"`dsops whoami {name}` logs in with SAML, and the agent keeps the session"
            raise UsageError(f"store `{name}` needs no login", hint=hint, where=config.stores[name].where)
        return login_of(steps[0], logins, runtime)
    if not logins and failures:
        raise failures[0]
    if not logins:
        raise UsageError("no store of the configuration has a login", hint="a login is for stores of the type aws.sso")
    if len(logins) > 1:
        commands = ", ".join(f"`dsops {command} {login.stores[0]}`" for login in logins)
        raise UsageError("there are several logins, and none is named", hint=f"it is one of {commands}")
    return logins[0]


def _logins(config: Config, runtime: Runtime) -> tuple[list[RequestedLogin], list[ConfigError]]:
    """Return every login of the configuration, and the errors of stores that can't be planned."""
    steps: list[Step] = []
    failures: list[ConfigError] = []
    types = StoreTypes()
    for name, store in config.stores.items():
        if store.type not in types or types[store.type].service != "sso":
            continue
        try:
            steps.append(plan_of_session(config, name, runtime).steps[name])
        except ConfigError as error:
            failures.append(error)
    return grouped_logins(steps, runtime), failures


def _names(logins: list[RequestedLogin]) -> list[str]:
    return [name for login in logins for name in login.stores]


def login_value(login: RequestedLogin) -> dict[str, str | list[str] | None]:
    """The login as JSON."""
    session = login.session
    return {
        "session": session.name or None,
        "start_url": session.start_url,
        "region": session.region,
        "stores": list(login.stores),
    }
