"""One request to the agent: its fields, the client that sent it, and the possible answers."""

from __future__ import annotations

import select
import socket
import sys
from collections.abc import Callable, Sequence
from threading import Lock
from time import monotonic
from typing import NamedTuple, Protocol, TypeVar

from dsops.agent import ALIVE, ASK, CHOOSE, CODE, DECLINED, EVENT, FAILED, NOTE, RESULT, TYPED, failure, pack, send
from dsops.errors import DsopsError
from dsops.runtime import Choice

T = TypeVar("T")

_LOOK_AT_PEER_SECONDS = 1.0
_MOST_DIGITS = 6
_MOST_TYPED = 4096
"""Maximum bytes of a typed answer; an MFA code has six."""


_MOST_UNREAD = 1 << 14
"""The largest frame in bytes that is sent in one write, without waiting, to a socket that is writable."""


class Outside(Protocol):
    """Protocol: calls a function that waits, and lets other requests run during the wait."""

    def __call__(self, wait: Callable[[], T], /) -> T:
        """Return what the function returns, or raise what it raises."""


class ClientLimits(NamedTuple):
    """Limits on clients: numbers, bytes and seconds."""

    clients: int = 512
    """Maximum number of open connections; others wait in the kernel's queue."""
    threads: int = 256
    """Maximum number of requests that run at the same time; each request may wait for a user to type a code."""
    unread_bytes: int = 1 << 26
    """Maximum total bytes of the requests that are being received, queued or running."""
    reading_seconds: float = 10.0
    """How long a client may take to send its request."""
    writing_seconds: float = 10.0
    """How long a client may take to receive an answer."""
    asking_seconds: float = 120.0
    """How long a user may take to type a code before the next client in the queue asks."""
    ending_seconds: float = 2.0
    """How long running requests may continue after the agent is stopped."""
    stopped_seconds: float = 10.0
    """How long a client may be suspended (Ctrl-Z) during a question at its terminal, while other clients wait."""
    ready: int = 2
    """The number of threads that are started with the agent and never end."""
    lingering_seconds: float = 30.0
    """How long an additional thread waits for work before it ends."""
    idle_seconds: float = 3600.0
    """How long the agent runs without requests before it ends."""


class AgentRequest(NamedTuple):
    """One request of a client."""

    folder: bytes
    """The client's working folder."""
    watches: bool
    """Whether the client shows progress events to a user."""
    words: Sequence[bytes]
    """The operation, followed by its arguments."""
    environ: Sequence[bytes]
    """The client's environment, one `NAME=VALUE` each."""


class RequestClient:
    """The client of one request: the agent sends it notes, events and questions, and finally the result."""

    def __init__(
        self,
        connection: socket.socket,
        limits: ClientLimits,
        outside: Outside = lambda wait: wait(),
        after_others: Callable[[], None] = lambda: None,
    ) -> None:
        """Create the client.

        - `outside`: calls a function that waits, and lets other requests run during the wait
        - `after_others`: returns after the queued requests have called it as well
        """
        self._connection = connection
        self._limits = limits
        self.outside = outside
        self.after_others = after_others
        self._sending = Lock()
        self.pid = peer_pid(connection)
        self.is_gone = False
        """Whether no further frames can be sent: after an incomplete frame, the next one would be garbled."""

    def note(self, text: str) -> None:
        """Writes a text to the client's stderr."""
        self.tell(text.encode("utf-8", "surrogateescape"))

    def tell(self, text: bytes) -> None:
        """Write the output of a program to the client's stderr, unchanged."""
        self._tell(NOTE, text)

    def event(self, name: str, facts: Sequence[str]) -> None:
        """Send an event; names and values alternate in `facts`."""
        self._tell(EVENT, pack([text.encode("utf-8", "surrogateescape") for text in (name, *facts)]))

    def expect_code(self) -> None:
        """Announce that an MFA code may be used: a client that then gets no answer must not repeat the work."""
        self._tell(CODE)

    def pulse(self) -> None:
        """Send ALIVE, unless that would block.

        A thread other than the request's own calls this method.
        """
        if self._sending.acquire(blocking=False):
            try:
                if not self.is_gone and self._has_space():
                    send(self._connection, ALIVE)
            except (OSError, ValueError):
                self.is_gone = True
            finally:
                self._sending.release()

    def answer(self, answer: AgentAnswer) -> None:
        """Sends the answer, which ends the request."""
        self._tell(answer.kind, answer.data)

    def leave(self) -> None:
        """Send nothing from now on: the connection is about to be closed, and its descriptor may be reused."""
        with self._sending:
            self.is_gone = True

    def has_left(self) -> bool:
        """Whether the client has closed the connection; consumes no data."""
        try:
            poll = select.poll()
            poll.register(self._connection, select.POLLIN)
            # MSG_DONTWAIT does not work here: with a socket timeout, Python itself waits.
            return bool(poll.poll(0)) and not self._connection.recv(1, socket.MSG_PEEK)
        except (OSError, ValueError):
            return True

    def ask(self, question: str) -> bytes | None:
        """Return what the user at the client's terminal types; None without a user, or if the client is gone.

        Raises TimeoutError if no answer comes in time.
        """
        return self._answer_to(ASK, question.encode("utf-8", "surrogateescape"))

    def choose(self, question: str, choices: Sequence[Choice]) -> Choice | None:
        """Return the user's choice at the client's terminal; None without a terminal or if the client is gone.

        Raises TimeoutError if no answer comes in time.
        """
        texts = [question, *[text for choice in choices for text in choice]]
        typed = self._answer_to(CHOOSE, pack([text.encode("utf-8", "surrogateescape") for text in texts]))
        is_position = typed is not None and typed.isdigit() and len(typed) <= _MOST_DIGITS
        position = int(typed) if typed is not None and is_position else len(choices)
        return choices[position] if position < len(choices) else None

    def _answer_to(self, kind: int, data: bytes) -> bytes | None:
        self._tell(kind, data)
        if self.is_gone:
            return None
        try:
            kind, typed = self.outside(self._heard)
        except TimeoutError:
            raise
        except (OSError, ValueError):
            return None
        finally:
            self._connection.settimeout(self._limits.writing_seconds)
        return typed if kind == TYPED else None

    def _tell(self, kind: int, data: bytes = b"") -> None:
        """Send a frame, unless the client is gone; the work continues, since other clients can use the session."""
        with self._sending:
            if self.is_gone:
                return
            try:
                if len(data) <= _MOST_UNREAD and self._has_space():
                    send(self._connection, kind, data)
                else:
                    self.outside(lambda: send(self._connection, kind, data))
            except OSError:
                self.is_gone = True

    def _has_space(self) -> bool:
        """Whether a short frame can be sent without waiting until the client reads."""
        poll = select.poll()
        poll.register(self._connection, select.POLLOUT)
        return bool(poll.poll(0))

    def _heard(self) -> tuple[int, bytes]:
        """Read one short frame. Raises OSError, or ValueError for an invalid frame or the end of the stream."""
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
                raise ValueError("not a typed answer")
        return heard[0], bytes(heard[5:])


def peer_pid(connection: socket.socket) -> int:
    """Return the process id of the peer; 0 where the system does not report it."""
    try:
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    except (AttributeError, OSError):
        return 0
    return int.from_bytes(credentials[:4], sys.byteorder)


def is_stopped(connection: socket.socket) -> bool:
    """Whether the peer's process is suspended (Ctrl-Z); False if the system does not report it."""
    try:
        with open(f"/proc/{peer_pid(connection)}/stat", "rb") as file:
            # The process name before the state is in parentheses, and may contain any character, also parentheses.
            return file.read().rpartition(b")")[2].split()[0] == b"T"
    except (OSError, IndexError):
        return False


class AgentAnswer(NamedTuple):
    """The frame that ends a request."""

    kind: int
    """RESULT, FAILED or DECLINED."""
    data: bytes = b""


def result(fields: Sequence[bytes]) -> AgentAnswer:
    """Return the answer to a successful request."""
    return AgentAnswer(RESULT, pack(list(fields)))


def failed(error: DsopsError) -> AgentAnswer:
    """Return the answer to a failed request; the client shows the error as its own."""
    return AgentAnswer(FAILED, failure.pack_error(error))


DECLINE = AgentAnswer(DECLINED)
"""The answer that leaves the request to the client itself."""

Work = Callable[[AgentRequest, RequestClient], AgentAnswer]
