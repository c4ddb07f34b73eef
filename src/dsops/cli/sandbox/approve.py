"""`dsops sandbox approve`: the person and the browser of a login to the sandbox's Identity Center."""

from __future__ import annotations

import os
from time import monotonic, sleep
from typing import TYPE_CHECKING, NoReturn

from dsops.cli.framework.command import Arguments, Command, Flag, Operand
from dsops.cli.framework.output import clean
from dsops.cli.framework.output import tell as say
from dsops.cli.sandbox.mint import PORT
from dsops.errors import SandboxUnavailable, UsageError
from dsops.runtime import Runtime

if TYPE_CHECKING:
    from http.client import HTTPConnection

USER = Flag(
    "--user",
    "who logs in: a user of the seed's `identity_center`; may be left out when there is one",
    value="NAME",
    own_variable="DSOPS_SANDBOX_APPROVE_USER",
)
DENY = Flag("--deny", "refuse the login", kind="switch", own_variable="DSOPS_SANDBOX_APPROVE_DENY")
WAIT = Flag(
    "--wait",
    "without CODE: for how long to wait until a login is there",
    kind="seconds",
    value="SECONDS",
    default="5",
    own_variable="DSOPS_SANDBOX_APPROVE_WAIT",
)

_PAUSE_SECONDS = 0.1
_ANSWER_SECONDS = 1
_BROWSER_SECONDS = 60


def _approve(arguments: Arguments, runtime: Runtime) -> int:
    from dsops.sandbox.control.running_sandboxes import find_running, tell

    is_denied, user = arguments.switch("--deny"), arguments.text("--user")
    if is_denied and user:
        raise UsageError("--deny and --user exclude each other", hint="nobody logs in when it is refused")
    url = find_running(arguments.integer("--port"), runtime.environ)
    code = arguments.operand("CODE") or _waiting(url, float(arguments.seconds("--wait") or 0))
    said = tell(url, "approve", {"code": code, "user": user, "deny": is_denied})
    if said["redirect"]:
        _follow(str(said["redirect"]))
    say("the login was refused" if is_denied else clean(f"logged in as {said['user']}"))
    return 0


def _waiting(url: str, seconds: float) -> str:
    """The code of the one login that waits."""
    from dsops.sandbox.control.running_sandboxes import ask

    until = monotonic() + seconds
    while True:
        found = [str(one["user_code"]) for one in ask(url, "logins")["waiting"]]
        if len(found) == 1:
            return found[0]
        if found:
            raise UsageError("several logins wait", hint=f"say which: {' or '.join(found)}")
        if monotonic() >= until:
            raise SandboxUnavailable(
                "no login waits",
                why=f"none came within {seconds:g} seconds",
                hint="start one, such as `aws sso login`, or say its code or address",
            )
        sleep(_PAUSE_SECONDS)


def _follow(address: str) -> None:
    """Brings the code to the program that waits on loopback, as the browser would."""
    from http.client import HTTPConnection, HTTPException
    from select import select
    from urllib.parse import urlsplit

    parts = urlsplit(address)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=_BROWSER_SECONDS)
    try:
        connection.request("GET", f"{parts.path or '/'}?{parts.query}")
        if select([connection.sock], [], [], _ANSWER_SECONDS)[0] or not hasattr(os, "fork"):
            connection.getresponse().read()
        elif os.fork() == 0:
            _wait_unseen(connection)
    except (OSError, HTTPException) as error:
        raise SandboxUnavailable(
            f"nobody listens on {parts.netloc}",
            why="the program that wants to log in has ended, or waits no more",
            hint="start the login again",
        ) from error
    finally:
        connection.close()


def _wait_unseen(connection: HTTPConnection) -> NoReturn:
    """In a process of its own: takes the page that the program answers with, whenever that is, and ends.

    A command that opens a browser ends before the page is there. The AWS CLI waits for that end, and only then takes
    the request that has been sent to it; had it been hung up on, its answer would fail, and the login with it.
    """
    try:
        os.setsid()
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in range(3):
            os.dup2(nowhere, descriptor)
        connection.getresponse().read()
    finally:
        os._exit(0)


APPROVE = Command(
    help=(
        "Decides about a login to the running sandbox's Identity Center, as a person and a browser would.\n"
        "Without CODE it is the one that waits. For programs that open a browser with Python:\n"
        'BROWSER="dsops sandbox approve --user alice %s" aws sso login --profile dev'
    ),
    run=_approve,
    flags=(USER, DENY, WAIT, PORT),
    operands=(Operand("CODE", "the code that the program shows, or the address that it opens", is_required=False),),
)
