"""Collects the logins to IAM Identity Center in a configuration and in AWS's files, and chooses one of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dsops.aws.identity.sso_session import SsoSession, is_same_url, named_sessions
from dsops.errors import ConfigError, UsageError
from dsops.model import Config
from dsops.pipeline.plans import plan_of_session
from dsops.pipeline.profiles import read_aws_profiles
from dsops.plan import Step
from dsops.runtime import Runtime
from dsops.stores import StoreTypes
from dsops.stores.login_groups import RequestedLogin, grouped_logins, login_without_store


def logins_of_stores(config: Config, runtime: Runtime) -> tuple[list[RequestedLogin], list[ConfigError]]:
    """Return every login of the configuration, and the errors of the stores that could not be planned."""
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


def logins_of_aws_files(runtime: Runtime) -> list[RequestedLogin]:
    """Return the logins of AWS's config file: its `[sso-session NAME]` sections, then the start URLs of profiles.

    The stores of such a login are the profiles that use it. Raises ConfigUnreadable.
    """
    profiles = read_aws_profiles(runtime)[0].by_name.values()
    by_session: dict[SsoSession, list[str]] = {
        session: [] for session in named_sessions(runtime.environ, runtime.folder)
    }
    by_name = {session.name: session for session in by_session}
    for profile in profiles:
        name, url, region = (profile.text(key) for key in ("sso_session", "sso_start_url", "sso_region"))
        session = by_name.get(name) if name else SsoSession("", url, region) if url and region else None
        if session is not None:
            by_session.setdefault(session, []).append(profile.name)
    return [login_without_store(session, tuple(names)) for session, names in by_session.items()]


def choose_login(
    logins: Sequence[RequestedLogin],
    start_url: str,
    command: str,
    choose: Callable[[Sequence[RequestedLogin]], RequestedLogin | None] = lambda _: None,
) -> RequestedLogin | None:
    """Return the first login with `start_url`, or the only login if `start_url` is "". None if there is none.

    If `start_url` is "" and there are several logins, `choose` lets the user choose one. If it returns None,
    UsageError is raised. `command` is the command that the error's hint repeats.
    """
    if start_url:
        return next((login for login in logins if is_same_url(login.session.start_url, start_url)), None)
    if len(logins) > 1:
        chosen = choose(logins)
        if chosen is not None:
            return chosen
        takes_store = command != "import sso"
        words = [
            login.stores[0] if login.stores and takes_store else f"--start-url {login.session.start_url}"
            for login in logins
        ]
        commands = ", ".join(f"`dsops {command} {word}`" for word in words)
        raise UsageError(
            "the configuration has several logins, and the command names none", hint=f"run one of {commands}"
        )
    return logins[0] if logins else None
