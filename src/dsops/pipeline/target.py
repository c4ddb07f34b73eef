"""Resolves the operand NAME of `exec` and `shell`, an environment or a store, and makes the plan for it."""

from __future__ import annotations

import os

from dsops.aws.identity.ambient_files import config_file, content, credentials_file
from dsops.environment import IDENTITY
from dsops.errors import ConfigNotFound, UsageError, listed, nearest
from dsops.model import Config
from dsops.pipeline.configuration import choose_environment, read_config
from dsops.pipeline.plans import plan_named, plan_of_session, require_session
from dsops.plan import Plan
from dsops.runtime import Runtime
from dsops.startup import NamedTuple


class RunTarget(NamedTuple):
    """The environment and store that a command line selects. Fields that the command line does not set are ""."""

    name: str = ""
    """The operand NAME, an environment or a store; "" once it is resolved."""
    environment: str = ""
    """The environment whose variables the command gets."""
    store: str = ""
    """The store whose session the command gets."""


def read_target_config(target: RunTarget, runtime: Runtime, named: str) -> Config:
    """Read the configuration with the stores and profiles that the target names; does not check `is_allowed`.

    `named` is the file of `--config`. Raises ConfigError.
    """
    names = (target.store,) if target.store else ()
    try:
        is_alone = bool(target.name) and not target.environment and not target.store
        return read_config(runtime, named, names=names, either=target.name, is_alone=is_alone)
    except ConfigNotFound as error:
        error.missing = "" if named or any(target) else "NAME"
        if target.name and not named:
            error.retell(
                f"there is no environment, store or profile `{target.name}`",
                why=f"{error.message} ({error.why}), and AWS's files have no profile",
            )
        raise


def resolve_target(target: RunTarget, config: Config, runtime: Runtime) -> tuple[RunTarget, Config]:
    """Return the target with NAME replaced by an environment or a store, and the configuration for its plan.

    If NAME is a store, the default environment does not apply. Raises UsageError if NAME is neither an environment nor
    a store, or if it is both.
    """
    name = target.name
    if not name:
        return target, config
    if name in config.environments and not target.environment and not target.store:
        _refuse_profile(name, runtime)
    resolved = _resolved(target, config)
    if resolved.store == name and not resolved.environment:
        config = config._replace(default_environment="")
    return resolved, config


def plan_target(
    target: RunTarget, config: Config, runtime: Runtime, command: tuple[str, ...], *, lasts: bool = False
) -> Plan:
    """Return the plan of a resolved target: an environment, a store's session, or both.

    `command` is the program to run with its arguments. With `lasts`, the session will be renewed.
    """
    if not target.store:
        return plan_named(config, choose_environment(config, target.environment, command), runtime)
    name = target.environment or config.default_environment
    if name:
        return plan_named(config, name, runtime, also=target.store, lasts=lasts)
    return plan_of_session(config, target.store, runtime, lasts=lasts)


def require_one_session(plan: Plan, store: str) -> None:
    """Raise UsageError if the store has no AWS credentials, or the environment sets other AWS credentials."""
    require_session(plan, store)
    own = next((variable for variable in plan.variables if variable.name in IDENTITY), None)
    if own is not None:
        raise UsageError(
            f"environment `{plan.environment}` and `--credentials` both set {own.name}",
            why="the command can use only one session",
            hint="leave out `--credentials`, or remove the variable from the environment",
            where=own.where,
        )


def _resolved(target: RunTarget, config: Config) -> RunTarget:
    name, environment, store = target
    is_environment, is_store = name in config.environments, name in config.stores
    if is_environment and is_store and not environment and not store:
        raise _both(name, "store")
    if is_store and not store and (environment or not is_environment):
        return RunTarget(environment=environment, store=name)
    if is_environment and environment in {"", name}:
        return RunTarget(environment=name, store=store)
    if is_environment:
        raise UsageError(
            f"`{name}` and `{environment}` are both environments, and a command gets the variables of one",
            hint="leave out one of the two; DSOPS_ENV counts as `--env`",
        )
    if is_store:
        raise UsageError(
            f"`{name}` and `{store}` are both stores, and a command gets one session", hint="leave out one of the two"
        )
    raise _unknown(name, config)


def _refuse_profile(name: str, runtime: Runtime) -> None:
    """Raise UsageError if an AWS profile with a session has the same name as the environment.

    Otherwise the meaning of the name would depend on the folder. In a folder whose dsops.yaml has the environment, the
    command would get the environment and the inherited AWS identity. In any other folder, it would get the profile's
    session.
    """
    paths = config_file(runtime.environ, runtime.folder), credentials_file(runtime.environ, runtime.folder)
    # Most names are in neither file, and parsing thousands of profiles takes longer than a search for the name.
    if any(os.fsencode(name) in content(path) for path in paths):
        from dsops.pipeline.profiles import read_aws_profiles, read_profile_layer

        is_profile = name in read_aws_profiles(runtime)[0].by_name
        if is_profile and name in read_profile_layer(runtime, (name,)).sections.stores:
            raise _both(name, "profile")


def _both(name: str, noun: str) -> UsageError:
    return UsageError(
        f"`{name}` is both an environment and a {noun}",
        hint=f"write `--env {name}` for its variables, or `--credentials {name}` for the session of the {noun}",
    )


def _unknown(name: str, config: Config) -> UsageError:
    known = list(dict.fromkeys((*config.environments, *config.stores)))
    meant = nearest(name, known)
    hint = f"did you mean `{meant}`?" if meant else f"there are {listed(known)}"
    if any(note.startswith((f"profile `{name}` ", f"`[{name}]` ")) for note in config.notes):
        return UsageError(
            f"`{name}` is neither an environment, nor a store, nor a profile that dsops can use",
            hint="the note above says why: change the profile, or name another one",
        )
    if not known:
        hint = "`dsops init` writes a dsops.yaml"
    return UsageError(f"there is no environment, store or profile `{name}`", hint=hint)
