"""`dsops logout`: end a login to IAM Identity Center."""

from __future__ import annotations

from dsops.agent.forget import forget_login
from dsops.cli.framework.command import CONFIG, PICK, Arguments, Command
from dsops.cli.framework.output import answer_json, answer_sentence, note
from dsops.cli.framework.process_runtime import DONE
from dsops.cli.login.requested_login import START_URL, STORE, login_value, requested_login
from dsops.errors import UsageError
from dsops.pipeline.execution import carry_out
from dsops.runtime import Runtime
from dsops.stores.login_groups import end_login
from dsops.text import counted


def _run(arguments: Arguments, runtime: Runtime) -> int:
    login = requested_login(arguments, runtime, "logout")
    if login is None:
        raise UsageError(
            "there is no login to end",
            why="neither a store of the type aws.sso nor ~/.aws/config names one",
            hint="`aws sso logout` ends the logins of other programs",
        )
    ended = carry_out(end_login(login, runtime), runtime)
    forgotten = forget_login(login.session, runtime.environ)
    runtime.report(DONE)
    if ended.failure is not None:
        ended.failure.retell(
            f"the token is removed from this machine, but the login is still valid: {ended.failure.message}",
            hint="end it on the access portal, or wait until it expires",
        )
        raise ended.failure
    if arguments.switch("--json"):
        answer_json({**login_value(login), "was_logged_in": ended.was_logged_in, "agent_forgot": forgotten})
    else:
        shown = login.session.shown
        answer_sentence(f"{shown} has ended" if ended.was_logged_in else f"there was no login: {shown}")
        if forgotten:
            dropped = counted(forgotten, "session")
            note(f"the agent has dropped {dropped} of this login; AWS accepts a session until it expires")
    return 0


COMMAND = Command(
    help=(
        "End a login to IAM Identity Center, here and for the AWS CLI and SDKs, and remove its token file.\n"
        "Other logins stay. The agent forgets the sessions that came from the login; in AWS they stay valid\n"
        "until they expire."
    ),
    run=_run,
    changes_who=True,
    flags=(CONFIG, PICK, START_URL),
    operands=(STORE,),
)
