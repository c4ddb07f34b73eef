"""`dsops exec`: run a command with the variables of an environment or the session of a store."""

from __future__ import annotations

from dsops.cli.framework.command import (
    CONFIG,
    CREDENTIALS,
    ENVIRONMENT,
    NAME,
    NO_AGENT,
    PICK,
    REASON,
    Arguments,
    Command,
    Flag,
)
from dsops.cli.run.guard_flags import GUARD_FLAGS
from dsops.errors import CommandFailed, UsageError
from dsops.runtime import Runtime

FAILURE_CODE = 125
"""The exit code if dsops itself fails, as in `env` and `timeout`; any other code is the command's."""


def _run(arguments: Arguments, runtime: Runtime) -> int:
    """Run the command, or open a shell if there is no command or the only word is a NAME."""
    # Completion and help need the flags of `exec`, but not the pipeline.
    from dsops.cli.run.program import run_program

    if not arguments.has_dashes and not _is_program(arguments, runtime):
        from dsops.cli.run.users_shell import target_of, tell_shell, with_shell

        if target := target_of(arguments, runtime):
            return run_program(with_shell(target, runtime), runtime, before=tell_shell)
    if not arguments.command:
        hint = "write it after `--`: dsops exec NAME -- CMD; `dsops shell NAME` opens a shell"
        error = UsageError("there is no command to run", hint=hint)
        error.missing = "" if arguments.has_dashes or arguments.operand(NAME.name) else NAME.name
        raise error
    return run_program(arguments, runtime)


def _is_program(arguments: Arguments, runtime: Runtime) -> bool:
    """Whether the command line has a command whose first word is a program."""
    from dsops.process import find_command

    try:
        return bool(arguments.command and find_command(arguments.command[0], runtime.environ.get("PATH")))
    except CommandFailed:
        return False


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
        *GUARD_FLAGS,
        Flag("--mask", "replace secrets in the command's output with ***", "switch"),
        Flag("--keep-existing", "keep variables that are already set, instead of replacing them", "switch"),
        Flag(
            "--pristine",
            "pass only the environment's variables, and basic ones such as PATH, HOME, TERM and LANG",
            "switch",
        ),
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
