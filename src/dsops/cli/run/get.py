"""`dsops get`: the value of one variable, and nothing else."""

from __future__ import annotations

import os

from dsops import render
from dsops.cli.framework.command import CONFIG, ENVIRONMENT, NO_AGENT, REASON, Arguments, Command, Operand
from dsops.cli.framework.output import answer_bytes, json_text
from dsops.cli.framework.project import environment_name, fetch, load_config, plan_environment
from dsops.cli.framework.world import DONE
from dsops.errors import SecretNotFound, ValueUnusable, VariableUnknown, nearest
from dsops.model import Config
from dsops.plan import Plan
from dsops.runtime import Runtime
from dsops.secret import Secret


def _run(arguments: Arguments, runtime: Runtime) -> int:
    name = arguments.operand("VARIABLE")
    config = load_config(arguments, runtime)
    plan = plan_environment(only(config, environment_name(config, arguments), name), arguments, runtime)
    value = present(fetch(plan, arguments, runtime, name).get(name), plan)
    runtime.report(DONE)
    data = text_of(value, plan, as_json=arguments.switch("--json"))
    # On a terminal with a newline, so that the prompt does not stick to it.
    is_sticking = os.isatty(1) and not arguments.switch("--json")
    answer_bytes(data + b"\n" if is_sticking else data)
    return 0


def present(value: Secret | None, plan: Plan) -> Secret:
    """The value of the plan's one variable. Raises SecretNotFound where it has none."""
    variable = plan.variables[0]
    if value is None:
        name = variable.name
        raise SecretNotFound(
            f"`{name}` has no value: its secret does not exist ({variable.source})",
            why="it is optional, and has no `default`",
            hint="give the variable a `default`, or make the secret",
            where=variable.where,
        )
    return value


def text_of(value: Secret, plan: Plan, *, as_json: bool) -> bytes:
    """The answer: the value byte for byte, or an object that says where it is from."""
    variable = plan.variables[0]
    if not as_json:
        return _bytes(variable.name, value)
    text = render.text_of(variable.name, value, "JSON")
    where = {"variable": variable.name, "environment": plan.environment, "source": variable.source}
    return f"{json_text({**where, 'value': text})}\n".encode("utf-8", "surrogateescape")


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
    try:
        return value.reveal_bytes()
    except UnicodeEncodeError:
        # From None: the error carries the value.
        raise ValueUnusable(
            f"the value of `{name}` can't be printed",
            why="it holds half of a UTF-16 surrogate pair",
            hint="mend the secret: its value is no text",
        ) from None


COMMAND = Command(
    help=(
        "Prints the value of one variable, byte for byte; only what that variable needs is fetched.\n\n"
        '  psql "$(dsops get --env production DATABASE_URL)"'
    ),
    run=_run,
    is_audited=True,
    flags=(CONFIG, ENVIRONMENT, NO_AGENT, REASON),
    operands=(Operand("VARIABLE", "the name of a variable of the environment"),),
)
