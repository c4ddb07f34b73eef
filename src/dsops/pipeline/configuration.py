"""Selects the configuration of a run: the named or discovered file, its environment, and one of its variables."""

from __future__ import annotations

import os
from collections.abc import Collection

from dsops.config import RUNNING, Examined, examine, load
from dsops.config.layers import ProfileLayer, ProfileReader
from dsops.errors import EnvironmentUnknown, VariableUnknown, nearest
from dsops.model import Config, SourceFile
from dsops.runtime import Runtime
from dsops.stores import StoreTypes


def read_config(
    runtime: Runtime,
    named: str,
    *,
    is_chosen: bool = True,
    permission: str = RUNNING,
    names: Collection[str] | None = (),
    either: str = "",
    is_alone: bool = False,
    left_out: tuple[SourceFile, ...] = (),
) -> Config:
    """Read the named configuration, or find one from the working folder upward. Does not check `is_allowed`.

    - `names`: the stores that the caller selects.
    - `either`: the name of a store or an environment.

    A store can also be a profile in AWS's files. The other parameters are those of `dsops.config.load`. Raises
    ConfigError.
    """
    config = load(
        folder=runtime.folder,
        environ=runtime.environ,
        named=named,
        types=StoreTypes(),
        is_chosen=is_chosen,
        permission=permission,
        profiles=_profile_reader(runtime),
        names=names,
        either=either,
        kept=runtime.kept,
        is_alone=is_alone,
        left_out=left_out,
    )
    _add_to_records(config, runtime)
    return config


def examine_config(runtime: Runtime, named: str) -> Examined:
    """Load the configuration and collect every problem instead of raising the first one."""
    examined = examine(
        folder=runtime.folder,
        environ=runtime.environ,
        named=named,
        types=StoreTypes(),
        profiles=_profile_reader(runtime),
    )
    _add_to_records(examined.config, runtime)
    return examined


def _profile_reader(runtime: Runtime) -> ProfileReader:
    def read(names: Collection[str] | None) -> ProfileLayer:
        from dsops.pipeline.profiles import read_profile_layer

        return read_profile_layer(runtime, names)

    return read


def _add_to_records(config: Config, runtime: Runtime) -> None:
    if runtime.journal is not None:
        runtime.journal.about(config=config.files[0].path)


def choose_environment(config: Config, named: str, command: tuple[str, ...] = ()) -> str:
    """Return the environment to use: the named one, else the default one, else the only one.

    `command` is the command line of the program to run. If no environment is selected, the error's hint shows how to
    correct a likely mistake in `command`, such as a missing `--env`. Raises EnvironmentUnknown.
    """
    name = named or config.default_environment
    if name:
        return name
    files = {file.shown for file in config.files}
    names = [environment.name for environment in config.environments.values() if environment.where.file in files]
    if len(names) == 1:
        return names[0]
    file = config.files[0].path.rpartition(os.sep)[2]
    error = EnvironmentUnknown(
        "no environment is selected",
        why=f"{file} has {', '.join(names)}" if names else f"{file} has none",
        hint=_how_to_name(names, config, command) if names else f"add one under `envs:` in {file}",
    )
    error.missing = "--env"
    raise error


def _how_to_name(names: list[str], config: Config, command: tuple[str, ...]) -> str:
    """Return the hint for an error about a missing environment: where to write `--env`."""
    if command and command[0] in names:
        return f"write `--env {command[0]}`, and the command after `--`"
    if command and command[0] in config.stores:
        return f"write `--credentials {command[0]}` for the session of that store, and the command after `--`"
    if any(word == "--env" or word.startswith("--env=") for word in command):
        return "write `--env` before the command: behind it, it belongs to the command"
    return f"write `--env {names[0]}`, or `default_env: {names[0]}` into the file"


def only_variable(config: Config, environment_name: str, variable_name: str) -> Config:
    """Return the configuration with only one variable in an environment, so that only its secret is read.

    Raises VariableUnknown. An unknown environment is reported later, by the plan.
    """
    environment = config.environments.get(environment_name)
    if environment is None:
        return config
    variable = environment.variables.get(variable_name)
    if variable is None:
        near = nearest(variable_name, environment.variables)
        names = ", ".join(environment.variables)
        known = f"its variables are: {names}" if names else f"it has none: add one under `envs.{environment_name}`"
        raise VariableUnknown(
            f"environment `{environment_name}` has no variable `{variable_name}`",
            hint=f"did you mean `{near}`?" if near else known,
            where=environment.where,
        )
    alone = environment._replace(variables={variable_name: variable})
    return config._replace(environments={**config.environments, environment_name: alone})
