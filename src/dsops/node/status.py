"""What a running node has: its sessions, when they are renewed, and the errors of the last attempts.

The node answers this request only to root and to its own user: the kernel identifies the caller. The answer has no
token and no secret, and of keys only the masked ids.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from http.client import HTTPConnection, HTTPException
from typing import Any, Final

from dsops.errors import AccessDenied, AnswerInvalid, Unreachable, UsageError
from dsops.node.configuration import ListenAddress, NodeConfig
from dsops.node.peer import Peer
from dsops.node.sessions import SessionState
from dsops.node.workloads import Workload

STATUS_PATH: Final = "/status"
STATUS_HEADER: Final = "x-dsops-node-status"
"""A header that the request needs. A program that is made to send requests (SSRF) can't add headers."""
_SECONDS: Final = 10.0
_MOST_BYTES: Final = 16 << 20
_OK: Final = 200
_FORBIDDEN: Final = 403


def may_ask(peer: Peer | None) -> bool:
    """Whether the peer is root or the node's own user."""
    return peer is not None and peer.uid in {0, os.geteuid()}


def status_content(
    states: Iterable[SessionState], workloads: Sequence[Workload], now: datetime
) -> dict[str, list[dict[str, object]]]:
    """Return the answer, a value for JSON."""
    return {"sessions": [_entry(state, workloads, now) for state in states]}


def ask_status(node: NodeConfig) -> list[dict[str, Any]]:
    """Return the sessions of the running node, as `status_content` has them.

    Raises UsageError if the file names no address, Unreachable, AccessDenied or AnswerInvalid.
    """
    address = _address(node)
    shown = f"unix:{address.path}" if address.path else f"{address.address} port {address.port}"
    connection = _SocketConnection(address.path) if address.path else HTTPConnection(address.address, address.port)
    connection.timeout = _SECONDS
    try:
        connection.request("GET", STATUS_PATH, headers={STATUS_HEADER: "1"})
        response = connection.getresponse()
        status, body = response.status, response.read(_MOST_BYTES)
    except (OSError, HTTPException) as error:
        hint = "start it: dsops node serve"
        raise Unreachable(f"no node answers at {shown}", why=str(error).lower(), hint=hint) from error
    finally:
        connection.close()
    if status == _FORBIDDEN:
        hint = "ask as root, or as the user of the node"
        raise AccessDenied(f"the node at {shown} does not tell this user its status", hint=hint)
    try:
        sessions = json.loads(body)["sessions"] if status == _OK else None
        if isinstance(sessions, list) and all(map(_is_entry, sessions)):
            return sessions
    except (ValueError, KeyError, TypeError):
        pass
    raise AnswerInvalid(f"the answer at {shown} is not that of a node", hint="compare the versions of dsops")


def _address(node: NodeConfig) -> ListenAddress:
    """Return the address to ask at: a Unix socket if there is one, because only the node's user can replace it."""
    known = sorted((each for each in node.listen if each.path or each.port), key=lambda each: not each.path)
    if not known:
        hint = "name a port, or a Unix socket such as unix:/run/dsops-node/node.sock"
        raise UsageError(f"{node.file} names no address at which the node can be asked", hint=hint)
    return known[0]


def _is_entry(value: object) -> bool:
    """Whether another process at the address has sent something else."""
    if not isinstance(value, dict):
        return False
    return "store" in value and isinstance(value.get("workloads"), list) and isinstance(value.get("caller"), dict)


class _SocketConnection(HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _entry(state: SessionState, workloads: Sequence[Workload], now: datetime) -> dict[str, object]:
    session, failure = state.session, state.failure
    renews = None if state.seconds is None else now + timedelta(seconds=max(0.0, state.seconds))
    return {
        "store": state.key.store,
        "workloads": [workload.name for workload in workloads if state.key.store in workload.stores],
        "caller": dict(state.key.variables),
        "state": _word(state),
        "arn": "" if session is None else session.arn,
        "key": "" if session is None else session.masked_key_id,
        "expires": "" if session is None else session.expiration_text,
        "renews": "" if renews is None else renews.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "failures": state.failures,
        "error": "" if failure is None else str(failure),
    }


def _word(state: SessionState) -> str:
    """Return the state in a word."""
    if state.is_under_way:
        return "renewing" if state.session is not None else "issuing"
    if state.failures:
        return "failing"
    return "used" if state.is_used else "unused"
