"""`dsops exec`: text -> config -> plan -> credentials -> secrets -> environment -> process. Begin reading here."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from dsops.cli.framework.command import CONFIG, ENVIRONMENT, NO_AGENT, PICK, REASON, Arguments, Command, Flag
from dsops.cli.framework.process_runtime import DONE
from dsops.cli.framework.project import fetch_with_sessions, plan_environment
from dsops.cli.framework.target import CREDENTIALS, NAME, load_target
from dsops.errors import CommandFailed, CommandNotFound, UsageError
from dsops.model import Config
from dsops.pipeline.execution import environment_of_child
from dsops.pipeline.plans import dangerous_steps, marks_of
from dsops.plan import Plan
from dsops.process import find_command, replace
from dsops.runtime import Runtime
from dsops.secret import Secret
from dsops.startup import TYPE_CHECKING

if TYPE_CHECKING:
    from dsops.cli.run.exec_session import CommandSession

FAILURE_CODE = 125
"""The exit code of failures of dsops itself, as in `env` and `timeout`; any other code is the command's."""


def _run(arguments: Arguments, runtime: Runtime) -> int:
    """Run the command, or open a shell if there is no command or the only word is a NAME."""
    if not arguments.has_dashes and not _is_program(arguments, runtime):
        from dsops.cli.run.users_shell import target_of, with_shell

        if target := target_of(arguments, runtime):
            return run_program(with_shell(target, runtime), runtime)
    if not arguments.command:
        hint = "write it after `--`: dsops exec NAME -- CMD; `dsops shell NAME` opens a shell"
        raise UsageError("there is no command to run", hint=hint)
    return run_program(arguments, runtime)


def _is_program(arguments: Arguments, runtime: Runtime) -> bool:
    """Whether the command line has a command whose first word is a program."""
    try:
        return bool(arguments.command and find_command(arguments.command[0], runtime.environ.get("PATH")))
    except CommandFailed:
        return False


def run_program(arguments: Arguments, runtime: Runtime) -> int:
    """Replace this process with the command, which gets the variables of the environment."""
    if sys.platform == "win32":
        from dsops.cli.framework.windows import refuse_flags

        refuse_flags(arguments, "--mask", "--serve", "--listen", "--timeout")
    arguments, config = load_target(arguments, runtime)
    store, session, sessions = _session_store(arguments), None, []
    if store:
        from dsops.cli.run import exec_session

        plan = exec_session.plan_with_session(config, store, arguments, runtime)
        _check_early(arguments, plan, config, runtime)
        session = exec_session.fetch_with_session(plan, store, arguments, runtime)
        secrets, sessions = session.secrets, [] if session.attendants else [session.credentials]
    else:
        plan = plan_environment(config, arguments, runtime)
        _check_early(arguments, plan, config, runtime)
        secrets, sessions = fetch_with_sessions(plan, arguments, runtime)
    environment = environment_of_child(
        plan,
        secrets,
        runtime,
        marks=marks_of(plan, sessions, store),
        session=session.identity if session else None,
        is_pristine=arguments.switch("--pristine"),
        keeps_existing=arguments.switch("--keep-existing"),
    )
    path = environment.get(b"PATH")
    command = find_command(arguments.command[0], None if path is None else os.fsdecode(path))
    runtime.report(DONE)
    if arguments.switch("--mask"):
        return _watch_masked(command, arguments, environment, plan, secrets, session, runtime)
    timeout_seconds, attendants = arguments.seconds("--timeout"), session.attendants if session else ()
    if timeout_seconds is None and not attendants:
        replace(command, arguments.command, environment)
    from dsops.process.watch import watch

    return watch(command, arguments.command, environment, timeout_seconds=timeout_seconds, attendants=attendants)


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


def _session_store(arguments: Arguments) -> str:
    """Return the store whose session the command gets; "" without `--credentials`."""
    store = arguments.text(CREDENTIALS)
    for flag in ("--serve", "--listen"):
        if not store and arguments.text(flag):
            raise UsageError(f"`{flag}` needs a session to serve", hint=f"name a store: --credentials STORE {flag}")
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


COMMAND = Command(
    help=(
        "Run a command with the variables of an environment.\n"
        "\n"
        "  dsops exec --env production -- deploy.sh --fast\n"
        "\n"
        "dsops plans which stores the environment needs, assumes roles hop by hop, fetches each secret\n"
        "once, and replaces itself with the command. If dsops fails, the exit code is 125, or 124 for\n"
        "--timeout; 126 and 127 mean the same as in a shell; every other code is the command's. If the\n"
        "environment sets AWS credentials, inherited AWS credentials are removed.\n"
        "\n"
        "  dsops exec --credentials target --serve -- terraform apply\n"
        "\n"
        "With --credentials, the command runs with the session of a store. With --serve, dsops keeps running\n"
        "and renews the session until the command ends.\n"
        "\n"
        "Without a command, `dsops exec NAME` opens a shell, as `dsops shell NAME` does."
    ),
    run=_run,
    is_audited=True,
    flags=(
        CONFIG,
        PICK,
        ENVIRONMENT,
        NO_AGENT,
        REASON,
        Flag(CREDENTIALS, "run the command with the session of this store", value="STORE"),
        Flag(
            "--serve", "renew the session while the command runs, and serve it to the AWS SDKs of the command", "switch"
        ),
        Flag(
            "--listen", "serve the session on this address, for containers that can't reach 127.0.0.1", value="ADDRESS"
        ),
        Flag("--mask", "replace secrets in the command's output with ***", "switch"),
        Flag("--keep-existing", "keep variables that are already set, instead of replacing them", "switch"),
        Flag("--pristine", "pass only the environment's variables, and PATH, HOME, TERM, LANG and the like", "switch"),
        Flag("--timeout", "end the command and its child processes after this time", "seconds", value="SECONDS"),
        Flag(
            "--min-ttl",
            "minimum remaining lifetime of the credentials when the command starts",
            "seconds",
            value="SECONDS",
        ),
    ),
    operands=(NAME,),
    takes_command=True,
    own_failure_code=FAILURE_CODE,
)
