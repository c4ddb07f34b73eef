"""Check the agent: whether it can be used, the sessions in its cache, and sockets left by killed agents."""

from __future__ import annotations

import json
import os
import re
import socket
import stat
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from dsops.agent import AGAIN, DECLINED, FAILED, REQUEST, RESULT, client, pack, receive, send, unpack
from dsops.doctor.check import Check
from dsops.version import __version__

CODES = {
    "doctor.agent": "the agent can be used, and belongs to this installation of dsops",
    "doctor.agent-folder": "the folder of the agent's sockets is safe",
    "doctor.agent-socket": "an agent listens on each socket",
    "doctor.agent-sessions": "the agent lists the sessions in its cache",
}
"""Maps the code of each check to the statement that is true if the check is ok."""

_SECONDS = 5.0
_NAME = r"[0-9a-f]{16}"
_OFF = ("off", "0", "no", "false")
_LONGEST_FOLDER = 60
_SESSIONS_SHOWN = 3
_FIELDS = 3
"""The number of fields that precede the sessions in a status: process id, number of values, start time."""


class AgentReply(NamedTuple):
    """The outcome of a status request on one socket."""

    is_stale: bool = False
    """Whether the socket file exists, but no process listens on it."""
    kind: int = 0
    """The kind of the answer: RESULT, FAILED or DECLINED; 0 if no answer came in time."""
    fields: Sequence[bytes] = ()
    has_ended: bool = False
    """Whether the agent answered that it exits, because an upgrade has replaced its version of dsops."""


def why_off(environ: Mapping[str, str]) -> str:
    """Return the reason why no agent is used, or "" if an agent may be used."""
    if client.is_wanted(environ):
        return ""
    if environ.get("CI"):
        return "CI is set"
    if environ.get("DSOPS_AGENT", "").lower() in _OFF:
        return f"DSOPS_AGENT is {environ['DSOPS_AGENT']}"
    return "DSOPS_NO_AGENT is set" if environ.get("DSOPS_NO_AGENT") else "there is none on Windows"


def check_agent(environ: Mapping[str, str], *, is_refused: bool = False) -> Iterator[Check]:
    """Check whether the agent can be used, and list its sessions; `is_refused` is the flag --no-agent."""
    off = "--no-agent was given" if is_refused else why_off(environ)
    if off:
        yield Check("doctor.agent", "agent", "skipped", f"not used: {off}")
        return
    folder = client.folder_of(environ)
    yield from _check_runtime_folder(environ)
    if os.path.lexists(folder) and not client.is_safe(folder):
        yield unsafe_folder(folder)
        return
    address = client.address_in(folder)
    heard = ask(address) if os.path.lexists(address) else None
    yield from _check_answer(heard, address)
    for other in sockets_in(folder):
        if other != address and is_stale(other):
            yield _stale(other)


def _check_answer(heard: AgentReply | None, address: str) -> Iterator[Check]:
    if heard is None:
        yield Check("doctor.agent", "agent", "ok", "none runs: the next `dsops exec` starts it")
    elif heard.is_stale:
        yield _stale(address)
    elif heard.has_ended:
        detail = "one of an older dsops has just ended: the next `dsops exec` starts its own"
        yield Check("doctor.agent", "agent", "ok", detail)
    elif heard.kind == RESULT:
        pid, values, started, *sessions = heard.fields
        detail = f"dsops {__version__}, process {pid.decode()}, since {started.decode()}"
        yield Check("doctor.agent", "agent", "ok", detail)
        yield _cached_sessions([json.loads(session) for session in sessions], int(values))
    elif heard.kind == DECLINED:
        hint = "`dsops doctor --fix` takes its place away; it ends by itself when it is idle"
        yield _no_agent("an agent of another dsops or Python has its place", hint)
    else:
        yield _no_agent("it runs, and does not answer", f"`fuser {address}` names its process: let it go on, or end it")


def _no_agent(detail: str, hint: str) -> Check:
    return Check("doctor.agent", "agent", "warning", detail, "runs do all the work by themselves", hint)


def _cached_sessions(sessions: list[Mapping[str, object]], values: int) -> Check:
    """Return a check with the number of cached sessions, and the names of the sessions that expire first.

    Sessions of a sandbox are counted, but not named.
    """
    real = [session for session in sessions if not session.get("is_of_sandbox")]
    ends = sorted(
        (str(session.get("expiration") or "never"), str(session.get("store") or session.get("source") or "(base)"))
        for session in real
    )
    session_texts = [f"{store} until {end}" if end != "never" else store for end, store in ends[:_SESSIONS_SHOWN]]
    session_texts += [f"{len(ends) - _SESSIONS_SHOWN} more"] if len(ends) > _SESSIONS_SHOWN else []
    detail = f"{len(real)} held{': ' if session_texts else ''}{', '.join(session_texts)}"
    if len(real) < len(sessions):
        detail += f"; and {len(sessions) - len(real)} of a sandbox"
    if values:
        detail += f"; and {values} {'value' if values == 1 else 'values'} of secrets"
    return Check("doctor.agent-sessions", "agent's sessions", "ok", detail)


def unsafe_folder(folder: str) -> Check:
    """Return the warning about a folder that is unsafe for an agent's socket, because of its owner or mode."""
    hint = f"`chmod 700 {folder}`, or `dsops doctor --fix`" if is_own_folder(folder) else f"look at it: ls -ld {folder}"
    return Check(
        "doctor.agent-folder",
        f"agent's folder {folder}",
        "warning",
        "others can enter it, or it is not a folder of yours",
        "no agent is used there: another user could pose as the agent",
        hint,
    )


def _check_runtime_folder(environ: Mapping[str, str]) -> Iterator[Check]:
    folder = environ.get("XDG_RUNTIME_DIR", "")
    name = f"XDG_RUNTIME_DIR {folder}"
    if not folder.startswith("/"):
        return
    if len(os.fsencode(folder)) >= _LONGEST_FOLDER:
        yield Check(
            "doctor.agent-folder",
            name,
            "warning",
            "its name is too long for a socket",
            f"the agent uses {client.folder_of(environ)} instead",
        )
    elif not os.path.isdir(folder):
        yield Check(
            "doctor.agent-folder",
            name,
            "warning",
            "there is no such folder",
            "no agent can be started there",
            "log in again, or unset XDG_RUNTIME_DIR",
        )
    elif mode := loose_mode(folder):
        yield Check(
            "doctor.agent-folder",
            name,
            "warning",
            f"other users can enter it: its mode is {mode:03o}",
            "the XDG base directory specification wants 700; the agent has a folder of its own in it",
            f"`chmod 700 {folder}`, unless it is for other things as well",
        )


def loose_mode(folder: str) -> int:
    """Return the mode of the user's own folder if other users may enter or list it; 0 if they may not."""
    try:
        status = os.lstat(folder)
    except OSError:
        return 0
    mode = stat.S_IMODE(status.st_mode)
    is_own = stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
    return mode if is_own and mode & 0o077 else 0


def is_own_folder(folder: str) -> bool:
    """Whether the path is a folder that this user owns, not a symbolic link."""
    status = os.lstat(folder)
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()


def _stale(address: str) -> Check:
    return Check(
        "doctor.agent-socket",
        f"socket {address}",
        "warning",
        "no process listens there any more",
        "its agent was killed",
        "`dsops doctor --fix` removes it",
    )


def sockets_in(folder: str) -> list[str]:
    """Return the sockets in a folder that have the name and the owner of an agent's socket."""
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return []
    paths = [os.path.join(folder, name) for name in names if re.fullmatch(_NAME, name)]
    return [path for path in paths if _is_own_socket(path)]


def _is_own_socket(path: str) -> bool:
    try:
        status = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISSOCK(status.st_mode) and status.st_uid == os.geteuid()


def is_stale(address: str) -> bool:
    """Whether no process listens on the socket."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(_SECONDS)
        connection.connect(address)
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    finally:
        connection.close()
    return False


def ask(address: str) -> AgentReply:
    """Ask the agent at a socket for its status.

    The request contains no environment variables, because the agent may belong to another installation of dsops.
    """
    if is_stale(address):
        return AgentReply(is_stale=True)
    connection = client.connect(address)
    if connection is None:
        return AgentReply()
    try:
        send(connection, REQUEST, pack([client.stamp(), b"/", b"", b"1", b"status"]))
        while (frame := receive(connection)) is not None:
            kind, data = frame
            if kind in (RESULT, FAILED, DECLINED):
                fields = unpack(data) if kind == RESULT else ()
                if kind == RESULT and len(fields) < _FIELDS:
                    return AgentReply()
                return AgentReply(kind=kind, fields=fields, has_ended=(kind, data) == (DECLINED, AGAIN))
    except (OSError, ValueError):
        pass
    finally:
        connection.close()
    return AgentReply()
