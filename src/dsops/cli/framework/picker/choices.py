"""The names to choose from: environments and stores of the configuration, and profiles of AWS's files."""

from __future__ import annotations

from dsops.aws_config.profiles import Profile
from dsops.aws_config.stores import PROVIDERS
from dsops.errors import ConfigNotFound
from dsops.model import Config, StoreEntry
from dsops.pipeline.configuration import read_config
from dsops.pipeline.profiles import read_aws_profiles
from dsops.runtime import DANGER, Choice, Runtime
from dsops.schema import BUILTIN_TYPES
from dsops.startup import NamedTuple
from dsops.text import counted

_PROFILE_KEYS = ("role_arn", "sso_account_id", "sso_role_name", "region")
"""The keys of a profile that its choice shows, and that the user can type to find it."""
_STORE_KEYS = ("role_arn", "account_id", "role_name", "profile", "credentials_from", "region")
_LOGIN = ("sso_account_id", "sso_role_name")


class NamedChoice(NamedTuple):
    """A choice, and the kind of its name: an `environment`, a `store` or a `profile`."""

    choice: Choice
    kind: str


def environments(config: Config | None) -> list[NamedChoice]:
    """Return the environments of the configuration."""
    found = config.environments.values() if config is not None else ()
    return [
        NamedChoice(
            Choice(environment.name, f"environment, {counted(len(environment.variables), 'variable')}"), "environment"
        )
        for environment in found
    ]


def stores(config: Config | None, runtime: Runtime, *, is_login: bool = False) -> list[NamedChoice]:
    """Return the configuration's stores that have a session, and the AWS profiles that can be used as stores.

    With `is_login`, only stores and profiles that log in to IAM Identity Center are returned. Profiles are not
    checked, because checking 2,000 profiles would make the user wait.
    """
    own = config.stores if config is not None else {}
    below = read_aws_profiles(runtime)[0].by_name.values()
    found = [Choice(store.name, _detail(store)) for store in own.values() if _fits(store, is_login=is_login)]
    found += [
        choice_of_profile(profile)
        for profile in below
        if profile.name not in own and _has_session(profile, is_login=is_login)
    ]
    return [NamedChoice(choice, "store") for choice in found]


def profiles(runtime: Runtime) -> list[NamedChoice]:
    """Return all profiles of AWS's files."""
    return [
        NamedChoice(choice_of_profile(profile), "profile") for profile in read_aws_profiles(runtime)[0].by_name.values()
    ]


def config_of(named: str, runtime: Runtime) -> Config | None:
    """Return the configuration without AWS profiles; None if there is no configuration. Raises ConfigError."""
    try:
        return read_config(runtime, named)
    except ConfigNotFound:
        if named:
            raise
        return None


def _fits(store: StoreEntry, *, is_login: bool) -> bool:
    known = BUILTIN_TYPES.get(store.type)
    if is_login:
        return known is not None and known.service == "sso"
    return known is None or known.gives_credentials or known.takes_credentials


def _has_session(profile: Profile, *, is_login: bool) -> bool:
    """Whether the keys of the profile suggest that it can be used as a store, by the rules of `aws_config.layer`."""
    logs_in = any(key in profile.entries for key in _LOGIN)
    if is_login:
        return logs_in
    return logs_in or profile.has_keys or "role_arn" in profile.entries or not PROVIDERS.isdisjoint(profile.entries)


def _detail(store: StoreEntry) -> str:
    mark = [DANGER] if store.is_dangerous else []
    return " ".join([*mark, store.type, *filter(None, [store.text_of(key) for key in _STORE_KEYS])])


def choice_of_profile(profile: Profile) -> Choice:
    """Return the choice for a profile, with the keys by which the user can find the profile."""
    return Choice(profile.name, " ".join(["profile", *filter(None, [profile.text(key) for key in _PROFILE_KEYS])]))
