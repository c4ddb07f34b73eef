"""Lets the user choose one of several logins to IAM Identity Center from a list on the terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from dsops.cli.framework.command import Arguments
from dsops.runtime import Choice, Runtime
from dsops.stores.login_groups import RequestedLogin


def choose_from(
    logins: Sequence[RequestedLogin], arguments: Arguments, runtime: Runtime, *, is_forced: bool = False
) -> RequestedLogin | None:
    """Return the login that the user chooses; None if no user is at the terminal.

    With `is_forced`, the list is shown also if stdin or stdout is a pipe. Raises KeyboardInterrupt if the user
    chooses none.
    """
    is_terminal = all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout))
    if arguments.switch("--json") or not (is_terminal or is_forced):
        return None
    offered = [_login(login) for login in logins]
    chosen = runtime.choose("login", offered)
    return logins[offered.index(chosen)] if chosen is not None else None


def _login(login: RequestedLogin) -> Choice:
    session = login.session
    if not session.name:
        return Choice(session.start_url, session.region)
    return Choice(session.name, f"{session.start_url} {session.region}")
