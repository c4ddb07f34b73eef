"""One request as whoever works on it sees it: what was asked, the client behind it, and what may be answered."""

from __future__ import annotations

import select
import socket
import sys
from collections.abc import Callable, Sequence
from threading import Lock
from time import monotonic
from typing import NamedTuple

from dsops.agent import failure
from dsops.agent.client import ALIVE, ASK, CODE, DECLINED, EVENT, FAILED, NOTE, RESULT, TYPED, pack, send
from dsops.errors import DsopsError

_LOOK_AT_PEER_SECONDS = 1.0
_MOST_TYPED = 4096
"""Bytes that a person may type: a code has six."""


class ClientLimits(NamedTuple):
    """What clients may cost."""

    clients: int = 512
    """Connections at once; the next ones wait in the kernel's queue."""
    threads: int = 256
    """Requests that are worked on at once; each may be waiting for the same person to type one code."""
    unread_bytes: int = 1 << 26
    """Of requests that come in, wait or are worked on, of all clients together."""
    reading_seconds: float = 10.0
    """How long a client may take to say what it wants."""
    writing_seconds: float = 10.0
    """How long it may take to take an answer."""
    asking_seconds: float = 120.0
    """How long a person may take to type a code; then the next client in line is asked."""
    ending_seconds: float = 2.0
    """How long work that goes on may take to end when the agent is told to stop."""
    stopped_seconds: float = 10.0
    """How long a client that is asked may be stopped (Ctrl-Z): nobody can type there, and others wait."""
    ready: int = 8
    """Threads that wait for work from the start; one more now and then for a burst would look like a leak."""
    lingering_seconds: float = 30.0
    """How long one more than these waits for the next burst."""
    idle_seconds: float = 3600.0
    """How long nobody asks before the agent ends."""


class AgentRequest(NamedTuple):
    """One request."""

    folder: bytes
    """The client's working folder."""
    watches: bool
    """Whether a person sees what is told on the way."""
    words: Sequence[bytes]
    """The operation, and what it is to be done with: the words of a command line."""
    environ: Sequence[bytes]
    """The client's environment, `NAME=VALUE` each."""


class RequestClient:
    """The client of one request, for whoever works on it."""

    def __init__(self, connection: socket.socket, limits: ClientLimits) -> None:
        self._connection = connection
        self._limits = limits
        self._sending = Lock()
        self.pid = peer_pid(connection)
        self.is_gone = False
        """It takes nothing any more: after half a frame the next one would be nonsense."""

    def note(self, text: str) -> None:
        """Puts a text on its stderr."""
        self.tell(text.encode("utf-8", "surrogateescape"))

    def tell(self, text: bytes) -> None:
        """Puts what a program says on its stderr, as it stands."""
        self._tell(NOTE, text)

    def event(self, name: str, facts: Sequence[str]) -> None:
        """Tells it what goes on: key, value, key, value."""
        self._tell(EVENT, pack([text.encode("utf-8", "surrogateescape") for text in (name, *facts)]))

    def expect_code(self) -> None:
        """Tells it that an MFA code may be used from now on: without an answer it must not do the work once more."""
        self._tell(CODE)

    def pulse(self) -> None:
        """Tells it that the work goes on, unless that would have to wait. For another thread than the one at work."""
        if self._sending.acquire(blocking=False):
            try:
                poll = select.poll()
                poll.register(self._connection, select.POLLOUT)
                if not self.is_gone and poll.poll(0):
                    send(self._connection, ALIVE)
            except (OSError, ValueError):
                self.is_gone = True
            finally:
                self._sending.release()

    def answer(self, answer: AgentAnswer) -> None:
        """Ends the request."""
        self._tell(answer.kind, answer.data)

    def leave(self) -> None:
        """The connection is closed next: its number may be another file's then."""
        with self._sending:
            self.is_gone = True

    def has_left(self) -> bool:
        """Whether its end of the connection is closed; what it may have sent stays there."""
        try:
            poll = select.poll()
            poll.register(self._connection, select.POLLIN)
            # Not MSG_DONTWAIT: Python itself waits for what comes, as long as the connection's time limit is.
            return bool(poll.poll(0)) and not self._connection.recv(1, socket.MSG_PEEK)
        except (OSError, ValueError):
            return True

    def ask(self, question: str) -> bytes | None:
        """What the person at its terminal types; None when there is none, or the client is gone.

        Raises TimeoutError when nothing came for too long.
        """
        self._tell(ASK, question.encode("utf-8", "surrogateescape"))
        if self.is_gone:
            return None
        try:
            kind, typed = self._heard()
        except TimeoutError:
            raise
        except (OSError, ValueError):
            return None
        finally:
            self._connection.settimeout(self._limits.writing_seconds)
        return typed if kind == TYPED else None

    def _tell(self, kind: int, data: bytes = b"") -> None:
        """Sends it, unless the client is gone: a session that is just being issued for it serves others."""
        with self._sending:
            if self.is_gone:
                return
            try:
                send(self._connection, kind, data)
            except OSError:
                self.is_gone = True

    def _heard(self) -> tuple[int, bytes]:
        """One short frame, however slowly it comes. Raises OSError, ValueError for nonsense or the end."""
        heard = bytearray()
        until = monotonic() + self._limits.asking_seconds
        stopped_at: float | None = None
        while len(heard) < 5 or len(heard) < 5 + int.from_bytes(heard[1:5], "big"):
            left = until - monotonic()
            if left <= 0:
                raise TimeoutError
            self._connection.settimeout(min(left, _LOOK_AT_PEER_SECONDS))
            try:
                part = self._connection.recv(_MOST_TYPED)
            except TimeoutError:
                if not is_stopped(self._connection):
                    stopped_at = None
                elif stopped_at is None:
                    stopped_at = monotonic()
                elif monotonic() - stopped_at >= self._limits.stopped_seconds:
                    raise
                continue
            heard += part
            if not part or len(heard) > _MOST_TYPED:
                raise ValueError("nothing that was typed")
        return heard[0], bytes(heard[5:])


def peer_pid(connection: socket.socket) -> int:
    """The process at the other end; 0 where the system doesn't tell."""
    try:
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    except (AttributeError, OSError):
        return 0
    return int.from_bytes(credentials[:4], sys.byteorder)


def is_stopped(connection: socket.socket) -> bool:
    """Whether the process at the other end is stopped, as by Ctrl-Z; False where the system doesn't tell."""
    try:
        with open(f"/proc/{peer_pid(connection)}/stat", "rb") as file:
            # The name before it is in parentheses, and may hold anything.
            return file.read().rpartition(b")")[2].split()[0] == b"T"
    except (OSError, IndexError):
        return False


class AgentAnswer(NamedTuple):
    """What ends a request."""

    kind: int
    """RESULT, FAILED or DECLINED."""
    data: bytes = b""


def result(fields: Sequence[bytes]) -> AgentAnswer:
    """The work was done."""
    return AgentAnswer(RESULT, pack(list(fields)))


def failed(error: DsopsError) -> AgentAnswer:
    """It failed; the client tells the error as if it were its own."""
    return AgentAnswer(FAILED, failure.pack_error(error))


DECLINE = AgentAnswer(DECLINED)
"""The client has to do it by itself."""

Work = Callable[[AgentRequest, RequestClient], AgentAnswer]
