"""`dsops shell`: open the user's shell with an environment's variables or a store's session."""

from __future__ import annotations

from dsops.cli.framework.command import NAME, Arguments, Command
from dsops.cli.run.exec import COMMAND as EXEC
from dsops.cli.run.exec import FAILURE_CODE
from dsops.errors import ConfigNotFound
from dsops.runtime import Runtime


def _run(arguments: Arguments, runtime: Runtime) -> int:
    from dsops.cli.run.program import run_program
    from dsops.cli.run.users_shell import tell_shell, with_shell

    try:
        return run_program(with_shell(arguments, runtime), runtime, before=tell_shell)
    except ConfigNotFound as error:
        if not arguments.operand(NAME.name):
            error.retell(error.message, hint="name an AWS profile: dsops shell NAME; `dsops init` writes a dsops.yaml")
        raise


COMMAND = Command(
    help=(
        "Open a shell with the variables of an environment, or the session of a store.\n"
        "\n"
        "  dsops shell prod\n"
        "\n"
        "dsops starts the program in $SHELL, which reads its startup files as usual. It also sets\n"
        "DSOPS_ACTIVE=NAME, DSOPS_EXPIRES (the time when the first session ends), and DSOPS_DANGER=1 for a\n"
        "store with `danger: true`. The prompt of `dsops hook prompt` shows them. `exit` ends the shell. The\n"
        "exit code is the shell's, or 125 if dsops fails.\n"
        "\n"
        "The session expires and is not renewed, so that a forgotten shell loses its access. With --serve,\n"
        "dsops renews the session until the shell ends."
    ),
    run=_run,
    is_audited=True,
    flags=EXEC.flags,
    operands=(NAME,),
    own_failure_code=FAILURE_CODE,
)
