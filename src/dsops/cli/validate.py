"""`dsops validate`: everything that is wrong with a configuration, at once."""

from __future__ import annotations

from dsops.cli.command import CONFIG, ENVIRONMENT, Arguments, Command
from dsops.cli.output import Json, answer, answer_json, counted, problem_text, problem_value
from dsops.cli.project import plan_environment, read_config, show_notes, shown_path
from dsops.config.limits import check_limits
from dsops.document import Scalar, to_plain
from dsops.errors import CheckFailed, ConfigError, Problem, nearest
from dsops.interpolate import names_in
from dsops.model import Config, Store
from dsops.plan.limits import SAME_CALLER, same_caller_note
from dsops.runtime import Runtime
from dsops.stores import StoreTypes


def _run(arguments: Arguments, runtime: Runtime) -> int:
    config: Config | None = None
    try:
        config = read_config(arguments, runtime)
        problems = check_limits(config, StoreTypes())
        if not problems and arguments.text("--env"):
            plan_environment(config, arguments, runtime)
    except ConfigError as error:
        # Without problems there was nothing to look at: no file, no such environment.
        if not error.problems:
            raise
        problems = error.problems
    if config is not None:
        show_notes(_unknown_types(config))
    if config is not None and not problems and not arguments.text("--env"):
        # A plan has told it of its own stores, with the values that they have.
        show_notes(_same_callers(config))
    _show(arguments, runtime, config, problems)
    return CheckFailed.exit_code if problems else 0


def _unknown_types(config: Config) -> list[str]:
    """A note for each store of a type that nothing provides: whoever doesn't need it has no error."""
    types = StoreTypes()
    notes = []
    for store in config.stores.values():
        if store.type not in types:
            meant = nearest(store.type, types)
            hint = f"did you mean `{meant}`?" if meant else "environments that need it can't be used"
            what = f"nothing installed provides the type `{store.type}` of store `{store.name}`"
            notes.append(f"{what} ({store.where}): {hint}")
    return notes


def _same_callers(config: Config) -> list[str]:
    """A note for stores that claim one session name of a role; a plan sees only those of its environment.

    Names are compared as written: equal texts are equal sessions, but where each run has a name of its own.
    """
    first: dict[tuple[str, str], Store] = {}
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


def _written(store: Store, key: str) -> str:
    field = store.fields.get(key)
    return field.node.text if field is not None and isinstance(field.node, Scalar) else ""


def _plain(store: Store, key: str) -> object:
    field = store.fields.get(key)
    return None if field is None else to_plain(field.node)


def _show(arguments: Arguments, runtime: Runtime, config: Config | None, problems: tuple[Problem, ...]) -> None:
    if arguments.switch("--json"):
        found: list[Json] = [problem_value(problem) for problem in problems]
        answer_json({"is_valid": not problems, "problems": found})
        return
    for problem in problems:
        answer(problem_text(problem))
    if config and not problems:
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
