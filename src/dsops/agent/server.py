"""The agent's side of the socket: who may ask, one request each, work in threads, an end when nobody asks any more.

One thread reads what comes in without ever waiting for a client; only a request that is whole gets a
thread. A client that is slow, silent, garbled or gone costs a descriptor for a few seconds, and nobody else anything.
"""

from __future__ import annotations

import os
import selectors
import socket
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Condition, Thread
from time import monotonic
from typing import NamedTuple

from dsops.agent import client, failure
from dsops.agent.client import (
    AGAIN,
    ASK,
    DECLINED,
    EVENT,
    FAILED,
    HELLO,
    LONGEST,
    NOTE,
    REQUEST,
    RESULT,
    TYPED,
    pack,
    peer_uid,
    receive,
    send,
    unpack,
)
from dsops.agent.start import locked
from dsops.errors import DsopsError

_LOOK_SECONDS = 0.1
"""How soon it is looked again whether there is room for more clients."""


class Limits(NamedTuple):
    """What clients may cost."""

    clients: int = 512
    """Connections at once; the next ones wait in the kernel's queue."""
    threads: int = 256
    """Requests that are worked on at once; each may be waiting for the same person to type one code."""
    unread_bytes: int = 1 << 26
    """Of requests that are not whole yet, of all clients together."""
    reading_seconds: float = 10.0
    """How long a client may take to say what it wants."""
    writing_seconds: float = 10.0
    """How long it may take to take an answer."""
    asking_seconds: float = 120.0
    """How long a person may take to type a code; then the next client in line is asked."""
    ending_seconds: float = 2.0
    """How long work that goes on may take to end when the agent is told to stop."""
    ready: int = 8
    """Threads that wait for work from the start; one more now and then for a burst would look like a leak."""
    idle_seconds: float = 3600.0
    """How long nobody asks before the agent ends."""


class Asked(NamedTuple):
    """One request."""

    folder: bytes
    """The client's working folder."""
    watches: bool
    """Whether a person sees what is told on the way."""
    words: Sequence[bytes]
    """The operation, and what it is to be done with: the words of a command line."""
    environ: Sequence[bytes]
    """The client's environment, `NAME=VALUE` each."""


class Caller:
    """The client of one request, for whoever works on it."""

    def __init__(self, connection: socket.socket, limits: Limits) -> None:
        self._connection = connection
        self._limits = limits

    def note(self, text: str) -> None:
        """Puts a text on its stderr."""
        send(self._connection, NOTE, text.encode("utf-8", "surrogateescape"))

    def event(self, name: str, facts: Sequence[str]) -> None:
        """Tells it what goes on: key, value, key, value."""
        send(self._connection, EVENT, pack([text.encode("utf-8", "surrogateescape") for text in (name, *facts)]))

    def ask(self, question: str) -> bytes | None:
        """What the person at its terminal types; None when there is none, or the client is gone or silent."""
        try:
            self._connection.settimeout(self._limits.asking_seconds)
            send(self._connection, ASK, question.encode())
            frame = receive(self._connection)
        except (OSError, ValueError):
            return None
        finally:
            self._connection.settimeout(self._limits.writing_seconds)
        return frame[1] if frame is not None and frame[0] == TYPED else None


class Answer(NamedTuple):
    """What ends a request."""

    kind: int
    """RESULT, FAILED or DECLINED."""
    data: bytes = b""


def result(fields: Sequence[bytes]) -> Answer:
    """The work was done."""
    return Answer(RESULT, pack(list(fields)))


def failed(error: DsopsError) -> Answer:
    """It failed; the client tells the error as if it were its own."""
    return Answer(FAILED, failure.pack_error(error))


DECLINE = Answer(DECLINED)
"""The client has to do it by itself."""

Work = Callable[[Asked, Caller], Answer]


class Server:
    """Serves one listening socket until it is stopped, or has been idle for long enough."""

    def __init__(self, listener: socket.socket, work: Work, limits: Limits = Limits()) -> None:  # noqa: B008 - a constant
        """`work` runs in threads. The listener's address is unlinked at the end, if it still is this listener's."""
        self._listener = listener
        self._work = work
        self._limits = limits
        self._address: str = listener.getsockname()
        self._place = _place_of(self._address)
        self._mark = client.stamp()
        self._selector = selectors.DefaultSelector()
        self._unread: dict[socket.socket, _Unread] = {}
        self._crew = _Crew(self._serve, limits)
        self._is_ending = False
        self._is_listening = False
        self._look_at = 0.0
        self._last_asked = monotonic()
        self._wake, self._woken = os.pipe()

    def run(self) -> None:
        """Serves; returns when it is over."""
        self._listener.setblocking(False)
        os.set_blocking(self._wake, False)
        self._selector.register(self._wake, selectors.EVENT_READ)
        self._listen(True)
        self._crew.start()
        try:
            while not self._is_ending:
                self._turn()
                if self._is_idle():
                    self._end()
            self._drain()
        finally:
            self._crew.end(self._limits.ending_seconds)
            for connection in self._unread:
                connection.close()
            self._selector.close()
            self._listener.close()
            os.close(self._wake)
            os.close(self._woken)

    def stop(self) -> None:
        """Ends it, from any thread."""
        self._is_ending = True
        os.write(self._woken, b".")

    # --- what comes in ----------------------------------------------------------------------------------------

    def _turn(self) -> None:
        now = monotonic()
        waits = [unread.until - now for unread in self._unread.values()]
        waits.append(self._last_asked + self._limits.idle_seconds - now)
        if not self._is_listening:
            waits.append(_LOOK_SECONDS)
        for key, _ in self._selector.select(max(0.0, min(waits)) + 0.001):
            if key.fileobj is self._listener:
                self._accept()
            elif key.fd == self._wake:
                os.read(self._wake, 4096)
            elif isinstance(key.fileobj, socket.socket):
                self._read(key.fileobj)
        now = monotonic()
        if not self._is_listening and not self._is_ending and now >= self._look_at:
            self._listen(True)
        for connection in [each for each, unread in self._unread.items() if unread.until <= now]:
            self._drop(connection)

    def _accept(self) -> None:
        while len(self._unread) + self._crew.load < self._limits.clients:
            try:
                connection, _ = self._listener.accept()
            except BlockingIOError:
                return
            except OSError:
                # No descriptor is free.
                break
            if peer_uid(connection) != os.geteuid():
                connection.close()
                continue
            connection.setblocking(False)
            self._unread[connection] = _Unread(monotonic() + self._limits.reading_seconds)
            self._selector.register(connection, selectors.EVENT_READ)
        # Too many: the rest waits in the kernel's queue until the next look.
        self._listen(False)
        self._look_at = monotonic() + _LOOK_SECONDS

    def _listen(self, is_open: bool) -> None:  # noqa: FBT001 - on and off
        if is_open and not self._is_listening:
            self._selector.register(self._listener, selectors.EVENT_READ)
        elif not is_open and self._is_listening:
            self._selector.unregister(self._listener)
        self._is_listening = is_open

    def _read(self, connection: socket.socket) -> None:
        unread = self._unread[connection]
        try:
            part = connection.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError:
            part = b""
        unread.data += part
        length = unread.length()
        if not part or length < 0 or sum(len(each.data) for each in self._unread.values()) > self._limits.unread_bytes:
            self._drop(connection)
        elif len(unread.data) >= length:
            self._forget(connection)
            self._last_asked = monotonic()
            self._crew.take(connection, bytes(unread.data[5:length]))

    def _forget(self, connection: socket.socket) -> None:
        del self._unread[connection]
        self._selector.unregister(connection)

    def _drop(self, connection: socket.socket) -> None:
        self._forget(connection)
        connection.close()

    # --- one request, in its thread ---------------------------------------------------------------------------

    def _serve(self, connection: socket.socket, data: bytes) -> None:
        with connection:
            try:
                connection.settimeout(self._limits.writing_seconds)
                asked = self._parse(data)
                if asked is None:
                    return
                if isinstance(asked, Answer):
                    send(connection, asked.kind, asked.data)
                    return
                send(connection, HELLO)
                answer = self._work(asked, Caller(connection, self._limits))
                send(connection, answer.kind, answer.data)
            except (OSError, ValueError):
                # The client is gone or takes nothing; what was issued for it is kept for the next one.
                return
            finally:
                self._last_asked = monotonic()

    def _parse(self, data: bytes) -> Asked | Answer | None:
        """The request; the answer to one of another dsops, which ends this agent; None for what is none."""
        try:
            mark, folder, watches, count, *rest = unpack(data)
            number = int(count)
        except ValueError:
            return None
        if mark != self._mark:
            self._unlink()
            self.stop()
            return Answer(DECLINED, AGAIN)
        if not 0 < number <= len(rest):
            return None
        return Asked(folder, watches == b"1", rest[:number], rest[number:])

    # --- the end ------------------------------------------------------------------------------------------------

    def _is_idle(self) -> bool:
        is_busy = bool(self._unread) or self._crew.load > 0
        return not is_busy and monotonic() - self._last_asked >= self._limits.idle_seconds

    def _end(self) -> None:
        """Ends it unless somebody asks after all: who connects later finds no socket, and starts an agent."""
        self._unlink()
        self._is_ending = True

    def _drain(self) -> None:
        """Serves those who connected before the socket was gone."""
        self._unlink()
        until = monotonic() + self._limits.ending_seconds
        self._accept()
        self._listen(False)
        while self._unread and monotonic() < until:
            self._turn()

    def _unlink(self) -> None:
        if not self._address:
            return
        address, self._address = self._address, ""
        with suppress(OSError), locked(address):
            if _place_of(address) == self._place:
                os.unlink(address)


def _place_of(address: str) -> tuple[int, int] | None:
    """What a file of that name is: another one may have taken the name since."""
    try:
        status = os.lstat(address)
    except OSError:
        return None
    return status.st_dev, status.st_ino


class _Unread:
    """A request that is coming in."""

    def __init__(self, until: float) -> None:
        self.until = until
        self.data = bytearray()

    def length(self) -> int:
        """How long it will be; -1 for what is no request."""
        if len(self.data) < 5:
            return 5 if not self.data or self.data[0] == REQUEST else -1
        length = int.from_bytes(self.data[1:5], "big")
        return 5 + length if self.data[0] == REQUEST and length <= LONGEST else -1


class _Crew:
    """Threads that wait for work; a new one is started when all are busy, up to a number."""

    def __init__(self, work: Callable[[socket.socket, bytes], None], limits: Limits) -> None:
        self._work = work
        self._limits = limits
        self._changed = Condition()
        self._queue: deque[tuple[socket.socket, bytes]] = deque()
        self._threads = 0
        self._idle = 0
        self._is_ending = False

    @property
    def load(self) -> int:
        """How many requests are being worked on, or wait for it."""
        with self._changed:
            return len(self._queue) + self._threads - self._idle

    def take(self, connection: socket.socket, data: bytes) -> None:
        """Has it done."""
        with self._changed:
            self._queue.append((connection, data))
            if self._idle >= len(self._queue) or self._threads >= self._limits.threads:
                self._changed.notify()
                return
        self._hire()

    def start(self) -> None:
        """Has the first threads ready."""
        for _ in range(self._limits.ready):
            self._hire()

    def _hire(self) -> None:
        with self._changed:
            self._threads += 1
        Thread(target=self._run, name="dsops-agent", daemon=True).start()

    def end(self, seconds: float) -> None:
        """Waits that long for what is being worked on."""
        until = monotonic() + seconds
        with self._changed:
            self._is_ending = True
            self._changed.notify_all()
            while self._threads and monotonic() < until:
                self._changed.wait(until - monotonic())

    def _run(self) -> None:
        while True:
            with self._changed:
                self._idle += 1
                while not self._queue and not self._is_ending:
                    self._changed.wait()
                self._idle -= 1
                if not self._queue:
                    self._threads -= 1
                    self._changed.notify_all()
                    return
                connection, data = self._queue.popleft()
            self._work(connection, data)
