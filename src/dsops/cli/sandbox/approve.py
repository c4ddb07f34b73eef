"""`dsops sandbox approve`: approve or deny a login to the sandbox's Identity Center, in place of a user."""

from __future__ import annotations

from dsops.cli.framework.command import Arguments, Command, Flag, Operand
from dsops.cli.framework.output import tell as say
from dsops.cli.sandbox.issue_tokens import PORT
from dsops.errors import UsageError
from dsops.runtime import Runtime
from dsops.text import clean

USER = Flag(
    "--user",
    "the user who logs in: a user under `identity_center` in the seed (default: the only one)",
    value="NAME",
    own_variable="DSOPS_SANDBOX_APPROVE_USER",
)
DENY = Flag("--deny", "deny the login", kind="switch", own_variable="DSOPS_SANDBOX_APPROVE_DENY")
WAIT = Flag(
    "--wait",
    "how long to wait for a login, if CODE is left out",
    kind="seconds",
    value="SECONDS",
    default="5",
    own_variable="DSOPS_SANDBOX_APPROVE_WAIT",
)


def _approve(arguments: Arguments, runtime: Runtime) -> int:
    from dsops.sandbox.control.login_browser import follow_redirect, waiting_login
    from dsops.sandbox.control.running_sandboxes import find_running, tell

    is_denied, user = arguments.switch("--deny"), arguments.text("--user")
    if is_denied and user:
        raise UsageError("--deny and --user can't be combined", hint="leave out --user: a denied login has no user")
    url = find_running(arguments.integer("--port"), runtime.environ)
    code = arguments.operand("CODE") or waiting_login(url, float(arguments.seconds("--wait") or 0))
    decision = tell(url, "approve", {"code": code, "user": user, "deny": is_denied})
    if decision["redirect"]:
        follow_redirect(str(decision["redirect"]))
    say("the login was denied" if is_denied else clean(f"logged in as {decision['user']}"))
    return 0


APPROVE = Command(
    help=(
        "Approve or deny a login to IAM Identity Center of the running sandbox, as a user in a browser would.\n"
        "Without CODE, the pending login is used. For programs that open a browser with Python:\n"
        'BROWSER="dsops sandbox approve --user alice %s" aws sso login --profile dev'
    ),
    run=_approve,
    flags=(USER, DENY, WAIT, PORT),
    operands=(Operand("CODE", "the code that the program shows, or the address that it opens", is_required=False),),
)
