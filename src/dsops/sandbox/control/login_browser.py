"""Act as the user's browser in a login to the sandbox's Identity Center: find the login and follow its redirect."""

from __future__ import annotations

import os
from http.client import HTTPConnection, HTTPException
from select import select
from time import monotonic, sleep
from typing import NoReturn
from urllib.parse import urlsplit

from dsops.errors import SandboxUnavailable, UsageError
from dsops.sandbox.control.running_sandboxes import ask

_PAUSE_SECONDS = 0.1
_ANSWER_SECONDS = 1
_BROWSER_SECONDS = 60


def waiting_login(url: str, seconds: float) -> str:
    """Return the user code of the only login that waits for approval; wait up to `seconds` for a login.

    Raises UsageError if several logins wait, and SandboxUnavailable if no login does.
    """
    until = monotonic() + seconds
    while True:
        codes = [str(login["user_code"]) for login in ask(url, "logins")["waiting"]]
        if len(codes) == 1:
            return codes[0]
        if codes:
            raise UsageError("several logins are pending", hint=f"name one of the codes: {' or '.join(codes)}")
        if monotonic() >= until:
            raise SandboxUnavailable(
                "no login is pending",
                why=f"no login was started within {seconds:g} seconds",
                hint="start a login, such as `aws sso login`, or pass its code or address",
            )
        sleep(_PAUSE_SECONDS)


def follow_redirect(address: str) -> None:
    """Deliver the authorization code to the program that listens on loopback, as the browser would.

    Raises SandboxUnavailable.
    """
    parts = urlsplit(address)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=_BROWSER_SECONDS)
    try:
        connection.request("GET", f"{parts.path or '/'}?{parts.query}")
        if select([connection.sock], [], [], _ANSWER_SECONDS)[0] or not hasattr(os, "fork"):
            connection.getresponse().read()
        elif os.fork() == 0:
            _read_in_background(connection)
    except (OSError, HTTPException) as error:
        raise SandboxUnavailable(
            f"no program listens on {parts.netloc}",
            why="the program that wants to log in has ended or stopped waiting",
            hint="start the login again",
        ) from error
    finally:
        connection.close()


def _read_in_background(connection: HTTPConnection) -> NoReturn:
    """In a child process, read the program's response, however late, and exit.

    The AWS CLI reads this request only after the command that opened its browser has ended. If the connection were
    closed by then, the CLI could not send its response, and the login would fail.
    """
    try:
        os.setsid()
        devnull = os.open(os.devnull, os.O_RDWR)
        for descriptor in range(3):
            os.dup2(devnull, descriptor)
        connection.getresponse().read()
    finally:
        os._exit(0)
