"""Runs the program of `exec` or `shell`: config -> plan -> credentials -> secrets -> environment -> process.

This module has the main flow of dsops. Begin reading here.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping

from dsops.cli.framework.command import CONFIG, CREDENTIALS, ENVIRONMENT, NAME, Arguments
from dsops.cli.framework.process_runtime import DONE
from dsops.cli.framework.project import fetch_with_sessions, permitted, show_notes
from dsops.cli.run.guard_flags import ISOLATE
from dsops.errors import CommandNotFound, UsageError
from dsops.model import Config
from dsops.pipeline.execution import environment_of_child
from dsops.pipeline.plans import dangerous_steps, marks_of
from dsops.pipeline.target import RunTarget, plan_target, read_target_config, resolve_target
from dsops.plan import Plan
from dsops.process import find_command, replace
from dsops.runtime import Runtime
from dsops.secret import Secret
from dsops.startup import TYPE_CHECKING

if TYPE_CHECKING:
    from dsops.cli.run.exec_session import CommandSession


def run_program(
    arguments: Arguments, runtime: Runtime, before: Callable[[Mapping[str, str], Runtime], None] | None = None
) -> int:
    """Replace this process with the command, which gets the variables of the environment.

    `before` is called before the command starts, with the command's DSOPS_ variables.
    """
    if sys.platform == "win32":
        from dsops.cli.framework.windows import refuse_flags

        refuse_flags(arguments, "--mask", "--serve", "--listen", "--timeout", "--guard", "--record")
    if arguments.switch("--mask") and arguments.has(ISOLATE) and arguments.switch(ISOLATE):
        raise UsageError(f"`--mask` and `{ISOLATE}` can't be used together", hint="leave one of the two out")
    target, config = load_target(arguments, runtime)
    store, session, sessions = _session_store(target, arguments), None, []
    if store:
        from dsops.cli.run import exec_session

        plan = exec_session.plan_with_session(target, config, arguments, runtime)
        _check_early(arguments, plan, config, runtime)
        session = exec_session.fetch_with_session(plan, store, arguments, runtime)
        secrets, sessions = session.secrets, [] if session.attendants else [session.credentials]
    else:
        plan = plan_target(target, config, runtime, arguments.command)
        show_notes(plan.notes)
        _check_early(arguments, plan, config, runtime)
        secrets, sessions = fetch_with_sessions(plan, arguments, runtime)
    marks = marks_of(plan, sessions, store)
    environment = environment_of_child(
        plan,
        secrets,
        runtime,
        marks=marks,
        session=session.identity if session else None,
        is_pristine=arguments.switch("--pristine"),
        keeps_existing=arguments.switch("--keep-existing"),
    )
    path = environment.get(b"PATH")
    command = find_command(arguments.command[0], None if path is None else os.fsdecode(path))
    runtime.report(DONE)
    if before is not None:
        before(marks, runtime)
    if arguments.switch("--mask"):
        return _watch_masked(command, arguments, environment, plan, secrets, session, runtime)
    timeout_seconds, attendants = arguments.seconds("--timeout"), session.attendants if session else ()
    if timeout_seconds is None and not attendants:
        replace(command, arguments.command, environment)
    from dsops.process.watch import watch

    return watch(
        command,
        arguments.command,
        environment,
        timeout_seconds=timeout_seconds,
        attendants=attendants,
        start=session.start if session else None,
    )


def _watch_masked(
    command: str,
    arguments: Arguments,
    environment: Mapping[bytes, bytes],
    plan: Plan,
    secrets: Mapping[str, Secret],
    session: CommandSession | None,
    runtime: Runtime,
) -> int:
    """Run the command as a child process, with secrets in its output masked; return its exit code."""
    from dsops.cli.run.exec_mask import patterns_of, secrets_of, secrets_to_mask, tell_github
    from dsops.process.masked import Masking

    hidden = secrets_to_mask(plan, secrets, session.identity if session else None)
    if session:
        hidden += secrets_of(session.credentials)
        session.listeners.append(lambda credentials: masking.learn(patterns_of(secrets_of(credentials))))
    tell_github(hidden, runtime)
    masking = Masking(patterns_of(hidden), timeout_seconds=arguments.seconds("--timeout"))
    return masking.watch(command, arguments.command, environment, session.attendants if session else ())


def _session_store(target: RunTarget, arguments: Arguments) -> str:
    """Return the store whose session the command gets; "" if the target is an environment alone."""
    store = target.store
    for flag in ("--serve", "--listen", "--guard", "--record"):
        if not store and arguments.has(flag) and arguments.text(flag):
            raise UsageError(f"`{flag}` needs a session", hint=f"name a store: --credentials STORE {flag}")
    return store


def _check_early(arguments: Arguments, plan: Plan, config: Config, runtime: Runtime) -> None:
    """Before any call to AWS, check that the command exists, and ask about stores with `danger: true`.

    Raises CommandNotFound, unless the plan sets PATH, and NotConfirmed.
    """
    if all(variable.name != "PATH" for variable in plan.variables):
        try:
            find_command(arguments.command[0], runtime.environ.get("PATH"))
        except CommandNotFound as error:
            word = arguments.command[0]
            if word in config.environments:
                error.retell(error.message, hint=f"write an environment as `--env {word}`")
            elif word in config.stores:
                hint = f"a store's session is given to a command by `--credentials {word}`"
                error.retell(error.message, hint=hint)
            raise
    if dangerous_steps(plan):
        from dsops.cli.run.danger import confirm

        confirm([plan], runtime)


def target_in(arguments: Arguments) -> RunTarget:
    """Return the target of the command line: its operand NAME, `--env` and `--credentials`."""
    return RunTarget(arguments.operand(NAME.name), arguments.text(ENVIRONMENT.name), arguments.text(CREDENTIALS))


def load_target(arguments: Arguments, runtime: Runtime) -> tuple[RunTarget, Config]:
    """Load the configuration, and return the resolved target of the arguments with it; shows notes on stderr.

    Raises NotAllowed. Raises UsageError if NAME is not the name of an environment or a store, or is the name of both.
    """
    named = target_in(arguments)
    config = read_target_config(named, runtime, arguments.text(CONFIG.name))
    show_notes(config.notes)
    target, config = resolve_target(named, config, runtime)
    return target, permitted(config, runtime)
