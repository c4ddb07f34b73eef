"""`dsops get`: print the value of one variable, and nothing else."""

from __future__ import annotations

import os

from dsops import render
from dsops.cli.framework.command import CONFIG, ENVIRONMENT, NO_AGENT, REASON, Arguments, Command, Operand
from dsops.cli.framework.output import answer_bytes, json_text
from dsops.cli.framework.process_runtime import DONE
from dsops.cli.framework.project import environment_name, fetch, load_config, plan_environment, request_of
from dsops.errors import ValueUnusable
from dsops.pipeline.configuration import only_variable
from dsops.pipeline.execution import only_value
from dsops.plan import Plan
from dsops.runtime import Runtime
from dsops.secret import Secret
from dsops.startup import TYPE_CHECKING

if TYPE_CHECKING:
    from dsops.agent.command_lines import AnswerLine


def _run(arguments: Arguments, runtime: Runtime) -> int:
    name = arguments.operand("VARIABLE")
    config = load_config(arguments, runtime)
    config = only_variable(config, environment_name(config, arguments), name)
    plan = plan_environment(config, arguments, runtime)
    value = only_value(fetch(plan, arguments, runtime, name), plan)
    runtime.report(DONE)
    data = text_of(value, plan, as_json=arguments.switch("--json"))
    # On a terminal, a newline is added so that the prompt starts on a new line.
    needs_newline = os.isatty(1) and not arguments.switch("--json")
    answer_bytes(data + b"\n" if needs_newline else data)
    return 0


def text_of(value: Secret, plan: Plan, *, as_json: bool) -> bytes:
    """Return the value byte for byte, or as a JSON object with its variable, environment and source."""
    variable = plan.variables[0]
    if not as_json:
        return _bytes(variable.name, value)
    text = render.text_of(variable.name, value, "JSON")
    where = {"variable": variable.name, "environment": plan.environment, "source": variable.source}
    return f"{json_text({**where, 'value': text})}\n".encode("utf-8", "surrogateescape")


def _bytes(name: str, value: Secret) -> bytes:
    try:
        return value.reveal_bytes()
    except UnicodeEncodeError:
        # The error is raised `from None`, because the original error contains the value.
        raise ValueUnusable(
            f"the value of `{name}` can't be printed",
            why="it contains an unpaired UTF-16 surrogate",
            hint="correct the secret: its value is not valid text",
        ) from None


def _line(arguments: Arguments) -> AnswerLine:
    from dsops.agent.command_lines import GetLine

    request = request_of(arguments)._replace(variable=arguments.operand("VARIABLE"))
    return GetLine(request, lambda value, plan: text_of(value, plan, as_json=arguments.switch("--json")))


COMMAND = Command(
    help=(
        "Print the value of one variable, byte for byte. Only what that variable needs is fetched.\n"
        "\n"
        '  psql "$(dsops get --env production DATABASE_URL)"'
    ),
    run=_run,
    answered=_line,
    is_audited=True,
    flags=(CONFIG, ENVIRONMENT, NO_AGENT, REASON),
    operands=(Operand("VARIABLE", "the name of a variable of the environment"),),
)
