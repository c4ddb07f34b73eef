"""`dsops get`: the value of one variable, and nothing else."""

from __future__ import annotations

import os

from dsops.cli.command import CONFIG, ENVIRONMENT, NO_AGENT, Arguments, Command, Operand
from dsops.cli.output import answer_bytes, answer_json
from dsops.cli.project import environment_name, fetch, load_config, plan_environment
from dsops.cli.world import DONE
from dsops.errors import SecretNotFound, ValueUnusable, VariableUnknown, nearest
from dsops.model import Config
from dsops.render import text_of
from dsops.runtime import Runtime
from dsops.secret import Secret


def _run(arguments: Arguments, runtime: Runtime) -> int:
    name = arguments.operand("VARIABLE")
    config = load_config(arguments, runtime)
    environment = environment_name(config, arguments)
    plan = plan_environment(only(config, environment, name), arguments, runtime)
    value = fetch(plan, arguments, runtime, name).get(name)
    variable = plan.variables[0]
    if value is None:
        raise SecretNotFound(
            f"`{name}` has no value: its secret does not exist ({variable.source})",
            why="it is optional, and has no `default`",
            hint="give the variable a `default`, or make the secret",
            where=variable.where,
        )
    runtime.report(DONE)
    if arguments.switch("--json"):
        text = text_of(name, value, "JSON")
        answer_json({"variable": name, "environment": environment, "source": variable.source, "value": text})
    else:
        answer_bytes(_bytes(name, value))
    return 0


def only(config: Config, environment_name: str, variable_name: str) -> Config:
    """The configuration as if the environment had that one variable: nothing else is planned, let alone fetched."""
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


def _bytes(name: str, value: Secret) -> bytes:
    """The value as it is; on a terminal with a newline, so that the prompt does not stick to it."""
    try:
        data = value.reveal_bytes()
    except UnicodeEncodeError:
        # From None: the error carries the value.
        raise ValueUnusable(
            f"the value of `{name}` can't be printed",
            why="it holds half of a UTF-16 surrogate pair",
            hint="mend the secret: its value is no text",
        ) from None
    return data + b"\n" if os.isatty(1) else data


COMMAND = Command(
    help=(
        "Prints the value of one variable, byte for byte; only what that variable needs is fetched.\n\n"
        '  psql "$(dsops get --env production DATABASE_URL)"'
    ),
    run=_run,
    flags=(CONFIG, ENVIRONMENT, NO_AGENT),
    operands=(Operand("VARIABLE", "the name of a variable of the environment"),),
)
