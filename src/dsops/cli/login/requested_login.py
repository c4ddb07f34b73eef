"""Find the login to IAM Identity Center for `dsops login` and `dsops logout`."""

from __future__ import annotations

from dsops.cli.framework.command import Arguments, Flag, Operand
from dsops.cli.framework.login_choice import choose_from
from dsops.cli.framework.project import load_config, plan_one_store
from dsops.errors import ConfigNotFound, UsageError
from dsops.pipeline.logins import choose_login, logins_of_aws_files, logins_of_stores
from dsops.runtime import Runtime
from dsops.stores.login_groups import RequestedLogin, login_of

STORE = Operand(
    "STORE", "a store or profile that logs in, or one that uses the credentials of such a store", is_required=False
)
START_URL = Flag(
    "--start-url",
    "the address of the access portal, to choose a login in ~/.aws/config",
    value="URL",
    own_variable="DSOPS_LOGIN_START_URL",
)


def requested_login(arguments: Arguments, runtime: Runtime, command: str) -> RequestedLogin | None:
    """Return the login for the named store or start URL; without a name, the only known login, or None.

    If the configuration has no login, the logins of AWS's config file are used. Raises UsageError.
    """
    name, start_url = arguments.operand("STORE"), arguments.text(START_URL.name)
    if name and start_url:
        raise UsageError(f"`{name}` has its own start URL", hint=f"leave out either `{name}` or `--start-url`")
    if name:
        return _login_of_store(name, arguments, runtime)
    if start_url:
        return choose_login(logins_of_aws_files(runtime), start_url, command)
    try:
        logins, failures = logins_of_stores(load_config(arguments, runtime, names=None), runtime)
    except ConfigNotFound:
        logins, failures = [], []
    if not logins and failures:
        raise failures[0]
    known = logins or logins_of_aws_files(runtime)
    if all(login.stores for login in known):
        try:
            return choose_login(known, "", command)
        except UsageError as error:
            error.missing = STORE.name  # lets the caller offer a list of the stores that log in
            raise
    return choose_login(known, "", command, lambda logins: choose_from(logins, arguments, runtime))


def _login_of_store(name: str, arguments: Arguments, runtime: Runtime) -> RequestedLogin:
    config = load_config(arguments, runtime, names=(name,))
    # The plan is not carried out: a session with `session_policy: auto` needs an environment, but a login does not.
    plan = plan_one_store(config, name, runtime, is_carried_out=False)
    logins, _ = logins_of_stores(config, runtime)
    steps = [step for step in plan.steps.values() if step.type.service == "sso"]
    if steps:
        return login_of(steps[0], logins, runtime)
    hint = f"stores with a login are {', '.join(_names(logins))}" if logins else ""
    if any("saml_login_url" in step.settings for step in plan.steps.values()):
        hint = f"`dsops whoami {name}` logs in with SAML, and the agent keeps the session"
    raise UsageError(f"store `{name}` needs no login", hint=hint, where=config.stores[name].where)


def _names(logins: list[RequestedLogin]) -> list[str]:
    return [name for login in logins for name in login.stores]


def login_value(login: RequestedLogin) -> dict[str, str | list[str] | None]:
    """Return the login as JSON."""
    session = login.session
    return {
        "session": session.name or None,
        "start_url": session.start_url,
        "region": session.region,
        "stores": list(login.stores),
    }
