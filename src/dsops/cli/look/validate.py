"""`dsops validate`: everything that is wrong with a configuration, at once."""

from __future__ import annotations

from collections.abc import Mapping

from dsops.cli.framework.command import CONFIG, ENVIRONMENT, Arguments, Command
from dsops.cli.framework.output import Json, answer, answer_json, problem_text, problem_value
from dsops.cli.framework.project import examine_config, plan_environment, show_notes, shown_path
from dsops.config import Examined
from dsops.config.limits import every_problem
from dsops.document import Scalar, to_plain
from dsops.errors import CheckFailed, ConfigError, Problem, Where
from dsops.interpolate import names_in
from dsops.model import Config, StoreEntry
from dsops.plan.limits import SAME_CALLER, same_caller_note
from dsops.runtime import Runtime
from dsops.stores import StoreTypes
from dsops.text import counted


def _run(arguments: Arguments, runtime: Runtime) -> int:
    found = examine_config(arguments, runtime)
    problems = every_problem(found, StoreTypes())
    if arguments.text("--env"):
        problems = _with_plan(found, arguments, runtime)
    elif not problems:
        # A plan tells it of its own stores, with the values that they have.
        show_notes(_same_callers(found.config))
    _show(arguments, runtime, found.config, problems)
    return CheckFailed.exit_code if problems else 0


def _with_plan(found: Examined, arguments: Arguments, runtime: Runtime) -> tuple[Problem, ...]:
    """The problems, with those of the named environment's plan. Raises EnvironmentUnknown where it is the only one."""
    problems, shown = found.problems, [file.shown for file in found.config.files]
    try:
        plan_environment(_plannable(found), arguments, runtime)
    except ConfigError as error:
        # Without problems there was nothing to look at: no such environment.
        if not error.problems and problems.is_empty:
            raise
        # A plan names an inherited field by the store that it plans.
        told = {(problem.where, problem.message) for problem in problems.in_order(shown)}
        news = error.problems or [Problem(Where(shown[0]), "--env", error.message, error.hint)]
        problems.extend([problem for problem in news if (problem.where, problem.message) not in told])
    return problems.in_order(shown)


def _plannable(found: Examined) -> Config:
    """The configuration without the variables of which a plan would only tell again what is wrong."""
    stores = found.config.stores
    environments = {
        name: environment._replace(
            variables={
                key: variable
                for key, variable in environment.variables.items()
                if variable.reference is None or found.unusable.isdisjoint(_chain(variable.reference.store, stores))
            }
        )
        for name, environment in found.config.environments.items()
    }
    return found.config._replace(environments=environments)


def _chain(name: str, stores: Mapping[str, StoreEntry]) -> set[str]:
    """The store and those that its credentials come from; a name that no store has ends it."""
    chain: set[str] = set()
    while name and name not in chain:
        chain.add(name)
        name = _written(stores[name], "credentials_from") if name in stores else ""
    return chain


def _same_callers(config: Config) -> list[str]:
    """A note for stores that claim one session name of a role; a plan sees only those of its environment.

    Names are compared as written: equal texts are equal sessions, but where each run has a name of its own.
    """
    first: dict[tuple[str, str], StoreEntry] = {}
    notes = []
    for store in config.stores.values():
        role, name = _written(store, "role_arn"), _written(store, "role_session_name")
        if not role or not name or "TIMESTAMP" in names_in(name):
            continue
        other = first.setdefault((role, name), store)
        differing = [key for key in SAME_CALLER if _plain(store, key) != _plain(other, key)]
        if differing:
            shown = f"`{other.name}` and `{store.name}` ({store.where})"
            notes.append(same_caller_note(shown, differing, f"{name} of {role}"))
    return notes


def _written(store: StoreEntry, key: str) -> str:
    field = store.fields.get(key)
    return field.node.text if field is not None and isinstance(field.node, Scalar) else ""


def _plain(store: StoreEntry, key: str) -> object:
    field = store.fields.get(key)
    return None if field is None else to_plain(field.node)


def _show(arguments: Arguments, runtime: Runtime, config: Config, problems: tuple[Problem, ...]) -> None:
    if arguments.switch("--json"):
        found: list[Json] = [problem_value(problem) for problem in problems]
        answer_json({"is_valid": not problems, "problems": found})
        return
    for problem in problems:
        answer(problem_text(problem))
    if not problems:
        stores, environments = len(config.stores), len(config.environments)
        name = shown_path(config, runtime)
        answer(f"{name} is valid: {counted(stores, 'store')}, {counted(environments, 'environment')}")


COMMAND = Command(
    help=(
        "Checks the configuration and answers with every problem: `file:line: path: what`. The exit code is\n"
        "6 when there is one, 2 when there is nothing to check. With --env the environment of this process\n"
        "counts too: `${NAME}` that are not set, and what AWS would refuse of the values."
    ),
    run=_run,
    flags=(CONFIG, ENVIRONMENT),
)
