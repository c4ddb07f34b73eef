"""`dsops hook-load`: print the code that a shell's hook evaluates in a folder with a `dsops.yaml`.

The code calls functions of the hook. It always passes the files to watch; on success, also the variables to set and
unset and the time of the next renewal. An error is printed as one line on stderr.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from dsops import config as configuration
from dsops.cli.framework.command import CONFIG, ENVIRONMENT, NO_AGENT, REASON, Arguments, Command, Flag, Operand
from dsops.cli.framework.output import answer_bytes, tell
from dsops.cli.framework.parser import parse
from dsops.cli.framework.process_runtime import DONE, real_runtime
from dsops.cli.framework.project import environment_name, fetch_with_sessions, request_of
from dsops.environment import child_environment
from dsops.errors import (
    ConfigNotFound,
    DsopsError,
    EnvironmentUnknown,
    Failures,
    NotAllowed,
    UsageError,
    ValueUnusable,
    nearest,
)
from dsops.hook.loading import Loaded, allowed_config, renewal_seconds, shell_calls, watched_times
from dsops.hook.marks import set_marks
from dsops.hook.names import require_harmless
from dsops.model import Config
from dsops.pipeline.journal import add_failure
from dsops.pipeline.plans import add_place, plan_named
from dsops.plan import Plan
from dsops.render.shell import shell_bytes
from dsops.runtime import Runtime
from dsops.startup import TYPE_CHECKING
from dsops.text import clean

if TYPE_CHECKING:
    from typing import NoReturn

    from dsops.agent.command_lines import AnswerLine, Fetch

HOOK_ENVIRONMENT = Flag(
    "--env",
    "the environment to load instead of the file's default environment",
    value="NAME",
    own_variable="DSOPS_HOOK_ENV",
)
INTERRUPTED = 128 + 2


def variables_of(config: Config, arguments: Arguments) -> tuple[str, list[str]]:
    """Return the environment to load and its variables. Raises NotAllowed for a variable that no hook may set."""
    name = environment_name(config, arguments)
    environment = config.environments.get(name)
    if environment is None:
        meant = nearest(name, config.environments)
        known = ", ".join(config.environments)
        raise EnvironmentUnknown(
            f"there is no environment `{name}`", hint=f"did you mean `{meant}`?" if meant else f"it is one of {known}"
        )
    require_harmless(environment.variables)
    return name, list(environment.variables)


def planned(config: Config, arguments: Arguments, runtime: Runtime) -> Plan:
    """Return the plan of the environment to load."""
    return plan_named(config, variables_of(config, arguments)[0], runtime)


def _run(arguments: Arguments, runtime: Runtime, fetch: Fetch | None = None) -> int:
    calls, line, code = outcome(
        arguments, runtime, fetch or (lambda plan: fetch_with_sessions(plan, arguments, runtime))
    )
    runtime.report(DONE)
    answer_bytes(calls)
    if line:
        tell(line)
    return code


def run_interrupted(words: Sequence[str]) -> int:
    """Do what `hook-load` does after a Ctrl-C during the load; the agent had the load when the user pressed Ctrl-C."""

    def interrupt(_plan: Plan) -> NoReturn:
        raise KeyboardInterrupt

    arguments = parse(COMMAND, words, os.environ, name="hook-load")
    return _run(arguments, real_runtime(arguments), interrupt)


def outcome(
    arguments: Arguments, runtime: Runtime, fetch: Fetch, is_raised: Callable[[DsopsError], bool] = lambda _: False
) -> tuple[bytes, str, int]:
    """Load the environment of the folder; return the code for the shell, a line for stderr, and the exit code.

    An error becomes the line for stderr. It is raised instead if `is_raised` returns true for it.
    """
    if arguments.text("--config") or runtime.environ.get(ENVIRONMENT.variable):
        # These flags and variables are refused: a configuration that they name would be loaded without permission, and
        # the agent would read them, too.
        raise UsageError(
            "the hook can't be used with `--config`, DSOPS_CONFIG or DSOPS_ENV",
            hint="unset DSOPS_CONFIG and DSOPS_ENV: the hook uses the dsops.yaml of the folder",
        )
    shell, pid = arguments.operand("SHELL"), arguments.operand("PID")
    if not (pid.isascii() and pid.isdigit()):
        raise UsageError(f"`{pid}` is not a process id")
    try:
        path = configuration.find(runtime.folder, runtime.environ)
    except ConfigNotFound:
        return b"", "", 0
    times = watched_times(path, runtime)
    loaded, code = None, 0
    try:
        loaded = _load(path, arguments, runtime, times, fetch)
        line = f"environment {loaded.environment} is loaded: {', '.join(loaded.values) or 'no variables'}"
    except KeyboardInterrupt:
        line, code = f"{path} is not loaded: interrupted; `dsops hook allow` tries again", INTERRUPTED
    except DsopsError as error:
        if is_raised(error):
            raise
        line, code = f"{path} is not loaded: {one_line(error)}", error.exit_code
        # NotAllowed is not recorded: dsops attempted nothing, and there would be a record at every prompt.
        if not isinstance(error, NotAllowed):
            add_failure(arguments.name, error, runtime)
    calls = shell_calls(shell, set_marks(times, int(pid), runtime.environ), loaded)
    return calls, clean(f"dsops: hook: {line}"), code


def _load(path: str, arguments: Arguments, runtime: Runtime, times: dict[str, int | None], fetch: Fetch) -> Loaded:
    """Fetch the environment. Adds the configuration's files to `times`."""
    config = allowed_config(path, times, runtime)
    plan = planned(config, arguments, runtime)
    values, sessions = fetch(plan)
    try:
        data = {name: shell_bytes(name, value) for name, value in values.items()}
    except ValueUnusable as error:
        add_place(error, plan)
        raise
    require_harmless(values)
    removed = child_environment(runtime.environ, values).removed
    return Loaded(plan.environment, data, removed, renewal_seconds(sessions, runtime.now()))


def one_line(error: DsopsError) -> str:
    """Format the error on one line for a prompt: message, reason and hint."""
    if isinstance(error, Failures):
        return f"{one_line(error.errors[0])} (and {len(error.errors) - 1} more)"
    parts = [f"{error.message}: {error.why}" if error.why else error.message]
    if error.problems:
        first = error.problems[0]
        parts = [f"{first.where}: {first.path}: {first.message}" if first.path else f"{first.where}: {first.message}"]
    return "; ".join([*parts, *([error.hint] if error.hint else [])])


def _line(arguments: Arguments) -> AnswerLine:
    from dsops.agent.command_lines import HookLine

    return HookLine(
        request_of(arguments), lambda runtime, fetch, is_raised: outcome(arguments, runtime, fetch, is_raised)
    )


COMMAND = Command(
    help=("Print the shell commands that load this folder's environment; the code of `dsops hook` runs it."),
    run=_run,
    answered=_line,
    flags=(CONFIG, HOOK_ENVIRONMENT, NO_AGENT, REASON),
    operands=(
        Operand("SHELL", "bash, zsh or fish", choices=("bash", "zsh", "fish")),
        Operand("PID", "the process id of the shell"),
    ),
)
