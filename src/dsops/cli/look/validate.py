"""`dsops validate`: report every problem of a configuration."""

from __future__ import annotations

from dsops.cli.framework.command import CONFIG, ENVIRONMENT, Arguments, Command, Operand
from dsops.cli.framework.output import (
    Json,
    answer,
    answer_json,
    answer_sentence,
    problem_text,
    problem_value,
    shown_error,
)
from dsops.cli.framework.project import examine_config, plan_environment, show_notes
from dsops.config import Examined
from dsops.config.limits import every_problem
from dsops.errors import CheckFailed, ConfigError, Problem, Where
from dsops.model import Config
from dsops.plan.validation import plannable, same_caller_notes
from dsops.runtime import Runtime
from dsops.stores import StoreTypes
from dsops.text import counted


def _run(arguments: Arguments, runtime: Runtime) -> int:
    named = arguments.words("FILE") or (arguments.text("--config"),)
    examined = [_examine(arguments.with_text("--config", name), runtime) for name in named]
    _show(arguments, examined)
    return CheckFailed.exit_code if any(problems for _, problems in examined) else 0


def _examine(arguments: Arguments, runtime: Runtime) -> tuple[Config, tuple[Problem, ...]]:
    """Return the configuration and all its problems."""
    examined = examine_config(arguments, runtime)
    problems = every_problem(examined, StoreTypes())
    if arguments.text("--env"):
        problems = _with_plan(examined, arguments, runtime)
    elif not problems:
        # With `--env`, the plan adds these notes instead, for the stores that it uses, with variables expanded.
        show_notes(same_caller_notes(examined.config))
    return examined.config, problems


def _with_plan(examined: Examined, arguments: Arguments, runtime: Runtime) -> tuple[Problem, ...]:
    """Return the problems of the configuration and of the named environment's plan. Raises EnvironmentUnknown."""
    problems, shown = examined.problems, [file.shown for file in examined.config.all_files]
    try:
        plan_environment(plannable(examined.config, examined.unusable), arguments, runtime)
    except ConfigError as error:
        # If neither the error nor the configuration lists a problem, the named environment does not exist.
        if not error.problems and problems.is_empty:
            raise
        # Problems are compared without their paths, because the plan reports an inherited field under the path of the
        # store that inherits it.
        known_problems = {(problem.where, problem.message) for problem in problems.in_order(shown)}
        new_problems = error.problems or [Problem(Where(shown[0]), "--env", error.message, error.hint)]
        problems.extend([problem for problem in new_problems if (problem.where, problem.message) not in known_problems])
    return problems.in_order(shown)


def _show(arguments: Arguments, examined: list[tuple[Config, tuple[Problem, ...]]]) -> None:
    if arguments.switch("--json"):
        problem_values: list[Json] = [problem_value(problem) for _, problems in examined for problem in problems]
        answer_json({"is_valid": not problem_values, "problems": problem_values})
        return
    for config, problems in examined:
        for problem in problems:
            answer(shown_error(problem_text(problem), 1))
        if not problems:
            stores, environments = len(config.stores), len(config.environments)
            name = config.files[0].shown
            answer_sentence(f"{name} is valid: {counted(stores, 'store')}, {counted(environments, 'environment')}")


COMMAND = Command(
    help=(
        "Check the configuration and report every problem as `file:line: path: problem`.\n"
        "\n"
        "The exit code is 6 if there is a problem, and 2 if there is no configuration to check. With --env,\n"
        "the values of `${NAME}` from the environment of this process are checked, too."
    ),
    run=_run,
    operands=(
        Operand(
            "FILE", "configuration files to check, instead of --config FILE", is_required=False, is_repeatable=True
        ),
    ),
    flags=(CONFIG, ENVIRONMENT),
)
