"""Passes new lines of the trail on to the running sender, or starts a sender; reports earlier failures.

A run does not wait for a receiver or for the sender. The sender may continue after the run has ended.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from dsops.audit import cursors
from dsops.audit.cursors import Cursor, SenderTurn
from dsops.audit.following import Position
from dsops.audit.settings import Settings
from dsops.audit.trail import WriteResult
from dsops.errors import DsopsError

_START = "import sys; sys.path.append(sys.argv.pop(1)); from dsops.audit.sender import main; main(sys.argv[1:])"
_ENVIRONMENT = tuple(
    """
    HOME XDG_CONFIG_HOME XDG_STATE_HOME DSOPS_TRANSPORT OTEL_EXPORTER_OTLP_HEADERS OTEL_EXPORTER_OTLP_LOGS_HEADERS
    https_proxy HTTPS_PROXY http_proxy HTTP_PROXY no_proxy NO_PROXY
    """.split()
)
"""The only environment variables that the sender inherits from the run that starts it."""


def dispatch(
    settings: Settings, result: WriteResult, environ: Mapping[str, str], now: int, warn: Callable[[str], None]
) -> None:
    """Make a sender send the new lines, and warn about earlier failures. Errors only become a warning."""
    try:
        turn = SenderTurn(settings.file)
        try:
            _dispatch(turn, settings, result, environ, now, warn)
        finally:
            turn.close()
    except (OSError, DsopsError) as error:
        why = error.message if isinstance(error, DsopsError) else (error.strerror or "unknown reason").lower()
        warn(f"lines of the audit trail were not sent: {why}; they wait in {settings.file}")


def _dispatch(
    turn: SenderTurn,
    settings: Settings,
    result: WriteResult,
    environ: Mapping[str, str],
    now: int,
    warn: Callable[[str], None],
) -> None:
    is_free = turn.take()
    cursors_by_name = cursors.load(settings.file)
    has_no_sender = is_free and not turn.is_announced(now)
    _warn_of_failures(settings, cursors_by_name, result, warn, has_no_sender=has_no_sender)
    if not has_no_sender:
        return
    begin = Cursor(Position(result.before.number, result.before.hash, -1))
    fresh = {sink.name: cursors_by_name.get(sink.name, begin)._replace(lost="") for sink in settings.sinks}
    if fresh != cursors_by_name:
        cursors.save(settings.file, fresh)
    if all(cursor.is_resting(now) for cursor in fresh.values()):
        return
    turn.announce(now)
    turn.give()
    _start(settings.file, environ)


def _warn_of_failures(
    settings: Settings,
    cursors_by_name: Mapping[str, Cursor],
    result: WriteResult,
    warn: Callable[[str], None],
    *,
    has_no_sender: bool,
) -> None:
    """Warn of failures that earlier senders recorded."""
    for sink in settings.sinks:
        cursor = cursors_by_name.get(sink.name)
        if cursor is None:
            continue
        waiting = result.before.number - cursor.position.number
        if cursor.lost and has_no_sender:
            warn(f"{sink.name} does not have all of the audit trail: {cursor.lost}")
        if cursor.failure and waiting > 0:
            since = datetime.fromtimestamp(cursor.since, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            warn(f"{sink.name} has taken no line of the audit trail since {since}: {cursor.failure}; {_lines(waiting)}")
        elif has_no_sender and waiting > 0:
            warn(f"{sink.name} does not have all of the audit trail yet: {_lines(waiting)}")


def _lines(count: int) -> str:
    lines = "1 line waits" if count == 1 else f"{count} lines wait"
    return f"{lines} in the file, and `dsops audit send` sends what it can"


def _start(path: str, environ: Mapping[str, str]) -> None:
    """Start a sender that is not a child of this process.

    The command that later replaces this process may wait for all its children, and must not wait for the sender. The
    sender is started through a shell, which ends at once and takes 0.7 ms. Forking twice takes 1.2 ms, and is unsafe
    with threads.
    """
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    process = [sys.executable, "-I", "-c", _START, root, path]
    environment = {name: environ[name] for name in _ENVIRONMENT if name in environ}
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    try:
        actions = [(os.POSIX_SPAWN_DUP2, null, descriptor) for descriptor in (0, 1, 2)]
        child = os.posix_spawn(
            "/bin/sh", ["sh", "-c", 'exec "$@" &', "sh", *process], environment, file_actions=actions
        )
    finally:
        os.close(null)
    try:
        os.waitpid(child, 0)
    except ChildProcessError:
        return  # if SIGCHLD is ignored, the system has already reaped the shell
