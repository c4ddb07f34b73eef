"""`dsops logout`: ends what `dsops login` began."""

from __future__ import annotations

import os

from dsops.agent import client as agent
from dsops.aws.apis.sso import PortalClient, logout
from dsops.aws.identity.sso_cache import read_token, remove_file, token_path
from dsops.aws.identity.sso_session import SsoSession
from dsops.cli.framework.command import CONFIG, Arguments, Command
from dsops.cli.framework.output import answer, answer_json, clean, counted, note
from dsops.cli.framework.world import DONE
from dsops.cli.login.logins import STORE, client_of, login_value, wanted_login
from dsops.errors import DsopsError, LoginRequired
from dsops.pipeline.execution import carry_out
from dsops.runtime import Runtime
from dsops.stores.endpoints import endpoint_of


def _run(arguments: Arguments, runtime: Runtime) -> int:
    wanted = wanted_login(arguments, runtime, "logout")
    session = wanted.session
    path = token_path(session, runtime.environ, runtime.folder)
    token = read_token(path, session).token
    failure: DsopsError | None = None
    if token is not None:
        endpoint = endpoint_of(wanted.step, "sso", runtime, session.region)
        try:
            carry_out(logout(PortalClient(client_of(wanted, runtime), endpoint, token.access_token)), runtime)
        except LoginRequired:
            pass  # it had ended already
        except DsopsError as error:
            failure = error
    remove_file(path)  # also one that holds no token, and would be in the way
    forgotten = _forget(session, runtime)
    runtime.report(DONE)
    if failure is not None:
        failure.retell(
            f"the token is removed from this machine, but the login goes on: {failure.message}",
            hint="end it on the access portal, or wait for its end",
        )
        raise failure
    if arguments.switch("--json"):
        answer_json({**login_value(wanted), "was_logged_in": token is not None, "agent_forgot": forgotten})
    else:
        answer(clean(f"{session.shown} has ended" if token is not None else f"nobody had logged in: {session.shown}"))
        if forgotten:
            note(f"the agent has forgotten {counted(forgotten, 'session')} of it; who has one can use it until its end")
    return 0


def _forget(session: SsoSession, runtime: Runtime) -> int:
    """Has the agent forget what came of the login; gives how many sessions it held."""
    if runtime.environ is not os.environ or not agent.is_wanted(runtime.environ):
        return 0
    words = [b"forget-login", session.shown.encode("utf-8", "surrogateescape")]
    reply = agent.ask(words, lambda _kind, _data: None, watches=False, starts=False)
    return int(agent.unpack(reply[1])[0]) if reply is not None and reply[0] == agent.RESULT else 0


COMMAND = Command(
    help=(
        "Ends a login to IAM Identity Center, here and for the AWS CLI and SDKs, and removes its token file;\n"
        "other logins stay. The agent forgets the sessions that came of it; at AWS they go on until their\n"
        "end."
    ),
    run=_run,
    changes_who=True,
    flags=(CONFIG,),
    operands=(STORE,),
)
