"""Resolves the operand NAME of `exec` and `shell`, which is an environment or a store."""

from __future__ import annotations

import os

from dsops.aws.identity.ambient_files import config_file, content, credentials_file
from dsops.cli.framework.command import ENVIRONMENT, Arguments, Operand
from dsops.cli.framework.project import permitted, read_config
from dsops.errors import ConfigNotFound, UsageError, nearest
from dsops.model import Config
from dsops.runtime import Runtime

CREDENTIALS = "--credentials"
NAME = Operand(
    "NAME",
    "an environment, whose variables the command gets, or a store or AWS profile, whose session it gets",
    is_required=False,
)
_MOST = 20
"""Maximum number of names in a hint."""


def load_target(arguments: Arguments, runtime: Runtime) -> tuple[Arguments, Config]:
    """Load the configuration, and return the arguments with NAME replaced by `--env` or `--credentials`.

    The default environment does not apply to a store that NAME names. Raises NotAllowed, and UsageError if NAME is
    neither an environment nor a store, or both.
    """
    name, store = arguments.operand(NAME.name), arguments.text(CREDENTIALS)
    names = (store,) if store else ()
    try:
        config = read_config(arguments, runtime, names=names, either=name)
    except ConfigNotFound as error:
        error.missing = "" if name or store or arguments.text("--config") else NAME.name
        raise
    if name:
        if name in config.environments and not arguments.text(ENVIRONMENT.name) and not store:
            _refuse_profile(name, runtime)
        arguments = _resolved(name, arguments, config)
        if arguments.text(CREDENTIALS) == name and not arguments.text(ENVIRONMENT.name):
            config = config._replace(default_environment="")
    return arguments, permitted(config, runtime)


def _resolved(name: str, arguments: Arguments, config: Config) -> Arguments:
    environment, store = arguments.text(ENVIRONMENT.name), arguments.text(CREDENTIALS)
    is_environment, is_store = name in config.environments, name in config.stores
    if is_environment and is_store and not environment and not store:
        raise _both(name, "store")
    if is_store and not store and (environment or not is_environment):
        return arguments.with_text(CREDENTIALS, name)
    if is_environment and environment in {"", name}:
        return arguments.with_text(ENVIRONMENT.name, name)
    if is_environment:
        raise UsageError(
            f"`{name}` and `{environment}` are both environments, and a command gets the variables of one",
            hint=f"leave out one of the two; {ENVIRONMENT.variable} counts as `--env`",
        )
    if is_store:
        raise UsageError(
            f"`{name}` and `{store}` are both stores, and a command gets one session", hint="leave out one of the two"
        )
    raise _unknown(name, config)


def _refuse_profile(name: str, runtime: Runtime) -> None:
    """Raise UsageError if an AWS profile with a session has the same name as the environment.

    Otherwise the name would mean the environment in a folder whose dsops.yaml has it (the command gets the inherited
    AWS identity), and the profile's session in any other folder.
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
    shown = ", ".join(known[:_MOST]) + (f", and {len(known) - _MOST} more" if len(known) > _MOST else "")
    hint = f"did you mean `{meant}`?" if meant else f"there are {shown}"
    if not known:
        hint = (
            "the note above says why the profile can't be used as a store"
            if config.notes
            else "`dsops init` writes a file"
        )
    return UsageError(f"there is no environment, store or profile `{name}`", hint=hint)
